"""What looking inside adds to a forward pass: the gates of a layer, the alignment of a decoder."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import OURS, Contender, by_turns, check, difference, limit, reference, timed
from benchmarks.options import Options
from benchmarks.report import Goal, Report, milliseconds
from unrolled.models import DecoderSettings
from unrolled.models.decoder import Decoder
from unrolled.models.encoder import Encoded
from unrolled.nn import unroll, watching
from unrolled.nn.register import cell

WATCHED = "watched"
BATCH, SIZE, WORDS = 32, 256, 1000
SOURCE, TARGET, STEPS = 30, 30, 100

Look = Callable[[nn.Module, bool], dict[str, Tensor]]
"""A forward pass of the module: its answer, and where asked for what was seen inside."""


def run(options: Options) -> Report:
    torch.manual_seed(0)
    goals, rows, measured = [], [], []
    for name, (module, look) in _works().items():
        if not options.wants(name):
            continue
        with torch.inference_mode():
            error = _check(name, module, look)
            contenders = {OURS: _turn(module, look, False), WATCHED: _turn(module, look, True)}
            times = by_turns(contenders, options.rounds)
        measured.append(times)
        ratio = times.ratio(WATCHED)
        goals.append(Goal(name, "× the same pass", ratio, 1.2, at_most=True))
        alone, watched = (milliseconds(times.seconds(who)) for who in (OURS, WATCHED))
        rows.append([name, alone, watched, f"{ratio:.2f}", f"{error:.0e}"])
    notes = [
        f"{BATCH} sequences, all sizes {SIZE}; a layer reads {STEPS} steps, a decoder {SOURCE} positions at"
        f" each of {TARGET} words",
        *limit(measured),
    ]
    return Report(goals, ["pass", "alone, ms", "watched, ms", "ratio", "error"], rows, notes)


def _works() -> dict[str, tuple[nn.Module, Look]]:
    inputs = torch.randn(STEPS, BATCH, SIZE)
    encoded = Encoded(torch.randn(SOURCE, BATCH, SIZE), None, torch.full((BATCH,), SOURCE))
    words, lengths = torch.randint(1, WORDS, (TARGET, BATCH)), torch.full((BATCH,), TARGET)

    def gates(layer: nn.Module, watched: bool) -> dict[str, Tensor]:
        own = inputs.to(next(layer.parameters()).dtype)
        if not watched:
            return {"output": unroll(layer, own).output}
        with watching(gates=True) as passages:
            return {"output": unroll(layer, own).output, **passages[0].record}

    def alignment(decoder: nn.Module, watched: bool) -> dict[str, Tensor]:
        own = encoded._replace(output=encoded.output.to(next(decoder.parameters()).dtype))
        features, weights = decoder.run(own, words, lengths, attention=watched)
        return {"output": features} | ({} if weights is None else {"attention": weights})

    def decoder(**settings: object) -> Decoder:
        made = DecoderSettings(hidden_size=SIZE, embedding_size=SIZE, bridge="mean", **settings)
        return Decoder(made, WORDS, SIZE, None).eval()

    return {
        "gates of an LSTM layer": (cell("lstm", SIZE, SIZE), gates),
        "gates of a GRU layer": (cell("gru", SIZE, SIZE), gates),
        "alignment of a Bahdanau decoder": (decoder(attention="bahdanau", score="additive"), alignment),
        "alignment of a Luong decoder": (decoder(attention="luong"), alignment),
        "alignment of a Luong decoder without input feeding": (
            decoder(attention="luong", input_feeding=False),
            alignment,
        ),
    }


def _turn(module: nn.Module, look: Look, watched: bool) -> Contender:
    return timed(lambda: look(module, watched))


def _check(name: str, module: nn.Module, look: Look) -> float:
    """What is seen, beside the reference in float64."""
    with reference():
        expected = look(copy.deepcopy(module).double(), True)
    found = look(module, True)
    if len(found) < 2 or found.keys() != expected.keys():
        raise AssertionError(f"{name}: {sorted(found)} was seen, not {sorted(expected)}")
    error = max(difference(found[key], expected[key]) for key in expected)
    check(name, error, 1e-5)
    return error
