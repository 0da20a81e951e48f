"""One stream of characters from an LSTM of 512, each drawn after the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import OURS, READING, by_turns, check, difference, limit, reading, timed
from benchmarks.options import Options
from benchmarks.report import Goal, Report
from unrolled.decoding import stream
from unrolled.models import LanguageModel, LanguageModelSettings, Packings
from unrolled.nn.torch_form import torch_weights

LOOP = "nn.LSTMCell loop"
VOCABULARY, SIZE, LENGTH = 96, 512, 200
BYTES = 4 * SIZE * (4 * SIZE + VOCABULARY)
"""What a step cannot do without in float32; what the input adds to the gates can be looked up."""
TOLERANCES = {"float32": 1e-6, "bfloat16": 5e-5, "int8": 1e-4}
"""By how much a log-probability may differ from the loop's, by how weights are read."""


def run(options: Options) -> Report:
    torch.manual_seed(0)
    settings = LanguageModelSettings(cell="lstm", embedding_size=SIZE, hidden_size=SIZE, layers=1, tie=False)
    model = LanguageModel(settings, VOCABULARY).eval()
    empty = torch.empty(0, 1, dtype=torch.int64)

    def ours(read: Any) -> Callable[[], list[int | None]]:
        return lambda: [drawn.tokens[0] for drawn in stream(read, empty, max_length=LENGTH, bos=1, seed=1)]

    cell = nn.LSTMCell(SIZE, SIZE)
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), torch_weights(model.layers.cells[0]), strict=True):
            parameter.copy_(value)
    loop = _loop(model, cell)
    contenders, read = {}, Packings(model)
    for weights, tolerance in TOLERANCES.items():
        _check(read[weights], loop, weights, tolerance)
        name = OURS if weights == "float32" else f"{OURS}, {weights}"
        contenders[name] = timed(ours(read[weights]))
    times = by_turns(
        {**contenders, LOOP: timed(lambda: _characters(loop)), READING: reading(BYTES)}, options.rounds
    )
    faster = {name: times.ratio(LOOP, name) for name in contenders}
    # In fewer bits there are fewer bytes to read, at the speed at which float32 is.
    shares = {
        name: LENGTH * times.ratio(READING, name) * part
        for name, part in zip((*contenders, LOOP), (1, 1 / 2, 1 / 4, 1), strict=True)
    }
    rows = [
        [
            name,
            f"{LENGTH / times.seconds(name):,.0f}",
            f"{faster[name]:.2f}" if name in faster else "",
            f"{share:.2f}",
        ]
        for name, share in shares.items()
    ]
    goals = [
        Goal("LSTM 512, float32", "× the nn.LSTMCell loop", faster[OURS], 2.5),
        Goal(
            "LSTM 512, packed weights",
            "× the nn.LSTMCell loop",
            max(faster[name] for name in faster if name != OURS),
            5,
        ),
    ]
    notes = [
        f"{VOCABULARY} characters, {LENGTH} drawn one after another",
        "of the reading limit: a character needs the recurrent matrix and the projection at least, "
        f"{BYTES / 1e6:.1f} MB in float32 (half in bfloat16, a quarter in int8), read as fast as by the best "
        "product of so large a float32 matrix with a vector, or its sum, its call included, in the same "
        f"rounds: {BYTES / 1e9 / times.seconds(READING):.0f} GB/s",
        *limit([times]),
    ]
    columns = ["contender", "characters/s", "times as fast as the loop", "of the reading limit"]
    return Report(goals, columns, rows, notes)


Step = Callable[[Tensor, tuple[Tensor, Tensor]], tuple[Tensor, tuple[Tensor, Tensor]]]


def _loop(model: LanguageModel, cell: nn.LSTMCell) -> Step:
    """A step as one writes it with torch: logits and the next state."""

    def step(token: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        state = cell(model.embedding.weight[token], state)
        return model.projection(state[0]), state

    return step


def _characters(step: Step) -> list[int]:
    with torch.inference_mode():
        state = (torch.zeros(1, SIZE), torch.zeros(1, SIZE))
        token, drawn = torch.ones(1, dtype=torch.int64), []
        for _ in range(LENGTH):
            logits, state = step(token, state)
            token = torch.multinomial(torch.softmax(logits, dim=-1), 1)[:, 0]
            drawn.append(int(token))
        return drawn


def _check(model: Any, step: Step, weights: str, tolerance: float) -> None:
    """What is drawn has the loop's log-probabilities."""
    empty = torch.empty(0, 1, dtype=torch.int64)
    state = (torch.zeros(1, SIZE), torch.zeros(1, SIZE))
    token = torch.ones(1, dtype=torch.int64)
    with torch.inference_mode():
        for drawn in stream(model, empty, max_length=40, bos=1, seed=3):
            logits, state = step(token, state)
            token = torch.tensor(drawn.tokens)
            expected = torch.log_softmax(logits, dim=-1)[0, token]
            check(
                f"log-probabilities, {weights}",
                difference(torch.tensor(drawn.log_probs), expected),
                tolerance,
            )
