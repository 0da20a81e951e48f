"""Translating test_2016_flickr at JoeyNMT's sizes: beam 5 in batches of 64; one sentence at a time, greedily.

Both translate with the same trained weights. The greedy answers must be the same, word for word.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, cast
from unittest.mock import patch

import torch

from benchmarks import peer, translator
from benchmarks.measure import OURS, READING, Times, by_turns, check, limit, reading, reference, timed
from benchmarks.options import Options, data
from benchmarks.report import Goal, Report, milliseconds
from benchmarks.translator import JOEYNMT, LONGEST
from unrolled.models import EncoderDecoder
from unrolled.models.decoder import DecoderState
from unrolled.models.encoder import Encoded
from unrolled.tasks.translate import Translate, Translator

BATCH, BEAM = 64, 5
SENTENCES, ALONE = 256, 24


def run(options: Options) -> Report:
    task, _ = translator.prepared()
    model = translator.trained()
    predictor = cast("Translator", task.predictor([model]))
    path = data("multi30k") / "test_2016_flickr.lc.norm.tok.en"
    lines = path.read_text(encoding="utf-8").splitlines()[:SENTENCES]
    notes = [
        f"the first {SENTENCES} sentences; one at a time, the first {ALONE}; the same weights for both",
        "each makes its batches as it does for its users: we by length, JoeyNMT in the order of the lines",
    ]

    def beam() -> list[str]:
        return [each.text for each in predictor.translate(lines, beam=BEAM, allow_unknown=True)]

    def greedy() -> list[str]:
        return [predictor.translate([line], beam=1, allow_unknown=True)[0].text for line in lines[:ALONE]]

    goals: list[Goal] = []
    rows: list[list[str]] = []
    measured: list[Times] = []
    for name, ours, batches, width in (
        (f"beam {BEAM}, batches of {BATCH}", beam, _batches(task, lines, BATCH), BEAM),
        ("one sentence, greedy", greedy, _batches(task, lines[:ALONE], 1), 1),
    ):
        answers = ours()
        with reference():
            same = sum(a == b for a, b in zip(answers, ours(), strict=True))
        check(f"{name}: answers unlike the reference's", 1 - same / len(answers), 0.01)
        read, steps, looked_at = _work(model, ours)
        times, agreement = _measure(task, name, ours, answers, batches, width, options.rounds, notes)
        measured.append(times)
        count = len(answers)
        share = times.share(translator.gflop(model, read, steps, looked_at))
        if width == 1:  # one row reads all weights for one product each: that is its limit
            once, whole = translator.read_bytes(model, read, steps)
            share = whole / once * times.ratio(READING)
            rate = once / 1e9 / times.seconds(READING)
            notes.append(
                f"{name}: of the limit of reading, not of the peak: a step reads {once / 1e6:.1f} MB of"
                f" float32 weights, a sentence {whole / count / 1e6:.0f} MB at least; the best product of so"
                f" large a matrix with a vector, or its sum, reads {rate:.0f} GB/s in the same rounds"
            )
        for who in (OURS, JOEYNMT):
            if who not in times.rounds:
                continue
            each = times.seconds(who) / count
            beside = ["", f"{share:.2f}"] if who == OURS else [f"{times.ratio(who):.2f}", ""]
            rows.append([name, who, f"{1 / each:,.1f}", milliseconds(each), *beside])
        if JOEYNMT in times.rounds:
            ratio, bound = times.ratio(JOEYNMT), 5 if width > 1 else 4
            goals.append(Goal(name, "× JoeyNMT's sentences/s", ratio, bound, peak_share=share))
            notes.append(f"{name}: {agreement:.0%} of the answers are JoeyNMT's word for word")
        if width == 1:
            for weights, bound, of in (
                ("float32", 20, ""),
                ("bfloat16", 10, ", bfloat16 weights"),
                ("int8", 10, ", int8 weights"),
            ):
                median, written = _median(predictor, weights, lines[:ALONE], options.rounds)
                agreement = statistics.mean(a == b for a, b in zip(written, answers, strict=True))
                check(f"{name}, {weights}: answers unlike float32's", 1 - agreement, 0.25)
                notes.append(f"{name}, {weights}: {agreement:.0%} of the answers are those of float32")
                goals.append(Goal(name, f"ms, median{of}", median * 1e3, bound, at_most=True, digits=1))
    notes += limit(measured)
    columns = ["work", "contender", "sentences/s", "ms a sentence", "ours is so many times faster", "of peak"]
    return Report(goals, columns, rows, notes)


def _batches(task: Translate, lines: Sequence[str], size: int) -> list[list[list[int]]]:
    """Ids of the lines in their order, as JoeyNMT's own prediction takes them; eos last."""
    ids = [[*each.tolist(), task.source.eos] for each in task.source.encode_many(list(lines))]
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _work(model: EncoderDecoder, run: Callable[[], object]) -> tuple[torch.Tensor, int, int]:
    """What a search did: the lengths of the sentences it read, its steps, each of one hypothesis, and the
    positions of the source, summed over those steps."""
    read, steps, looked_at = [], 0, 0
    start, step_top, draw = (getattr(model.decoder, name) for name in ("start", "step_top", "draw"))

    def reads(encoded: Encoded, *given: Any) -> DecoderState:
        read.append(encoded.lengths)
        return start(encoded, *given)

    def count(state: DecoderState, made: int) -> None:
        nonlocal steps, looked_at
        memory = state.memory
        assert memory is not None
        lengths = memory.lengths if memory.seats is None else memory.lengths[memory.seats.sentence]
        steps, looked_at = steps + made * len(lengths), looked_at + made * int(lengths.sum())

    def steps_top(state: DecoderState, *given: Any) -> Any:
        count(state, 1)
        return step_top(state, *given)

    def draws(state: DecoderState, *given: Any) -> Any:
        found = draw(state, *given)
        count(state, len(found[2]))
        return found

    with patch.multiple(model.decoder, start=reads, step_top=steps_top, draw=draws):
        run()
    return torch.cat(read), steps, looked_at


def _measure(
    task: Translate,
    name: str,
    ours: Callable[[], list[str]],
    answers: list[str],
    batches: list[list[list[int]]],
    width: int,
    rounds: int,
    notes: list[str],
) -> tuple[Times, float]:
    model = translator.trained()
    contenders = {OURS: timed(ours, least=0)}
    if width == 1:
        contenders[READING] = reading(translator.read_bytes(model, torch.empty(0), 1)[0])
    try:
        with translator.joeynmt(task, model, sources=batches, beam=width, longest=LONGEST) as joey:
            theirs = [_text(task, ids) for ids in joey.answer["answers"]]
            agreement = statistics.mean(a == b for a, b in zip(answers, theirs, strict=True))
            if width == 1:
                check(f"{name}: answers unlike JoeyNMT's", 1 - agreement, 0.05)
            return by_turns({**contenders, JOEYNMT: joey.process.turn}, rounds), agreement
    except peer.PeerError as error:
        notes.append(f"{JOEYNMT} did not run: {error}")
        return by_turns(contenders, rounds), 0.0


def _text(task: Translate, ids: list[int]) -> str:
    eos = task.target.eos
    return task.target.decode(torch.tensor(ids[: ids.index(eos)] if eos in ids else ids).numpy())


def _median(
    predictor: Translator, weights: str, lines: Sequence[str], rounds: int
) -> tuple[float, list[str]]:
    """Seconds a line, and what was written for each."""
    seconds, written = [], []
    for line in [*lines] * rounds:
        begin = time.perf_counter()
        found = predictor.translate([line], beam=1, allow_unknown=True, weights=weights)
        seconds.append(time.perf_counter() - begin)
        written.append(found[0].text)
    return statistics.median(seconds), written[: len(lines)]
