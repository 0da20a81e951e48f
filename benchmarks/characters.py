"""One stream of characters from an LSTM of 512, each drawn after the one before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.measure import OURS, by_turns, check, difference, timed
from benchmarks.options import Options
from benchmarks.report import Goal, Report
from unrolled.decoding import stream
from unrolled.models import LanguageModel, LanguageModelSettings
from unrolled.nn.torch_form import torch_weights

LOOP = "nn.LSTMCell loop"
VOCABULARY, SIZE, LENGTH = 96, 512, 200


def run(options: Options) -> Report:
    torch.manual_seed(0)
    settings = LanguageModelSettings(cell="lstm", embedding_size=SIZE, hidden_size=SIZE, layers=1, tie=False)
    model = LanguageModel(settings, VOCABULARY).eval()
    empty = torch.empty(0, 1, dtype=torch.int64)

    def ours() -> list[int | None]:
        return [drawn.tokens[0] for drawn in stream(model, empty, max_length=LENGTH, bos=1, seed=1)]

    cell = nn.LSTMCell(SIZE, SIZE)
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), torch_weights(model.layers.cells[0]), strict=True):
            parameter.copy_(value)
    loop = _loop(model, cell)
    _check(model, loop)
    contenders = {OURS: timed(ours), LOOP: timed(lambda: _characters(loop))}
    times = by_turns(contenders, options.rounds)
    rows = [
        [name, f"{LENGTH / times.seconds(name):,.0f}", f"{times.ratio(name):.2f}" if name == LOOP else ""]
        for name in contenders
    ]
    goals = [Goal("LSTM 512, float32", "× the nn.LSTMCell loop", times.ratio(LOOP), 2.5)]
    notes = [
        f"{VOCABULARY} characters, {LENGTH} drawn one after another",
        "the goal with packed weights (5×) is not measured: a language model reads float32 weights alone",
    ]
    return Report(goals, ["contender", "characters/s", "ours is so many times faster"], rows, notes)


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


def _check(model: LanguageModel, step: Step) -> None:
    """The same tokens have the same log-probabilities."""
    tokens = torch.randint(1, VOCABULARY, (20,))
    state = (torch.zeros(1, SIZE), torch.zeros(1, SIZE))
    ours = model.start(torch.empty(0, 1, dtype=torch.int64))
    for token in tokens.split(1):
        with torch.inference_mode():
            ours, found = model.step(ours, token)
            logits, state = step(token, state)
            check("log-probabilities", difference(found, torch.log_softmax(logits, dim=-1)), 1e-5)
