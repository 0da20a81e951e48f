"""BLEU of 100,000 segments, tokenised by 13a, beside sacreBLEU."""

from __future__ import annotations

import random

from benchmarks import peer
from benchmarks.measure import OURS, by_turns, check, timed
from benchmarks.options import Options, data
from benchmarks.report import Goal, Report, milliseconds
from unrolled import metrics

SEGMENTS = 100_000
SACREBLEU = "sacreBLEU"


def run(options: Options) -> Report:
    hypotheses, references = _segments()
    given = [[reference] for reference in references]
    contenders = {OURS: timed(lambda: metrics.bleu(hypotheses, given))}
    found = metrics.bleu(hypotheses, given).score
    notes = [f"{SEGMENTS:,} segments, one reference each; BLEU {found:.4f}"]
    try:
        with peer.python("sacrebleu_score") as process:
            answer = process.prepare(hypotheses=hypotheses, references=references)
            check("BLEU beside sacreBLEU's", abs(found - answer["score"]), 1e-9)
            times = by_turns({**contenders, SACREBLEU: process.turn}, options.rounds)
    except peer.PeerError as error:
        notes.append(f"{SACREBLEU} did not run: {error}")
        times = by_turns(contenders, options.rounds)
    ratios = {name: times.ratio(name) for name in times.peers}
    rows = [
        [name, milliseconds(times.seconds(name)), f"{ratios[name]:.1f}" if name in ratios else ""]
        for name in times.rounds
    ]
    goals = [Goal(f"{SEGMENTS:,} segments", f"× {name}", ratio, 10) for name, ratio in ratios.items()]
    return Report(goals, ["contender", "ms", "ours is so many times faster"], rows, notes)


def _segments() -> tuple[list[str], list[str]]:
    """Real sentences, again and again, and each with some of its words lost, doubled or in others' places."""
    lines = (data("multi30k") / "train.en").read_text(encoding="utf-8").splitlines()
    chance = random.Random(0)
    references = [chance.choice(lines) for _ in range(SEGMENTS)]
    hypotheses = []
    for line in references:
        words = line.split()
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(words))
            words[place : place + 1] = chance.choice(([], [words[place]] * 2, [chance.choice(words)]))
            if not words:
                break
        hypotheses.append(" ".join(words))
    return hypotheses, references
