"""A user's own cell, for which no kernel exists: ``unroll`` beside the eager loop one writes around it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import OURS, Times, by_turns, check, difference, limit, timed
from benchmarks.options import Options
from benchmarks.report import Report, milliseconds, worst
from unrolled.nn.cells import Cell, State
from unrolled.nn.unroll import unroll

LOOP = "eager loop"
SHAPES = ((35, 20, 200, 200), (35, 20, 650, 650), (50, 64, 128, 128), (100, 32, 256, 256), (50, 64, 512, 512))


class Minimal(Cell):
    """As in the README: no more than ``__init__`` and ``step``. The minimal gated unit (Zhou et al. 2016)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.gate = nn.Linear(input_size + hidden_size, hidden_size)
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, projected: Tensor, state: State, memory: Any = None) -> State:
        (a,) = state
        forget = torch.sigmoid(self.gate(torch.cat([a, projected], dim=-1)))
        candidate = torch.tanh(self.inner(torch.cat([forget * a, projected], dim=-1)))
        return (a + forget * (candidate - a),)


class Hoisted(Minimal):
    """The same, with ``project``: what does not depend on the state is said to be so."""

    def project(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        size = self.hidden_size
        gate, inner = (F.linear(inputs, part.weight[:, size:], part.bias) for part in (self.gate, self.inner))
        return gate, inner

    def step(self, projected: tuple[Tensor, Tensor], state: State, memory: Any = None) -> State:
        (a,), size = state, self.hidden_size
        forget = torch.sigmoid(projected[0] + F.linear(a, self.gate.weight[:, :size]))
        candidate = torch.tanh(projected[1] + F.linear(forget * a, self.inner.weight[:, :size]))
        return (a + forget * (candidate - a),)


KINDS: dict[str, type[Minimal]] = {"step alone": Minimal, "step and project": Hoisted}


def run(options: Options) -> Report:
    rows, measured, found = [], [], []
    for steps, batch, input_size, hidden_size in SHAPES:
        for kind, make in KINDS.items():
            name = f"{steps}×{batch}×{input_size}×{hidden_size}, {kind}"
            if not options.wants(name):
                continue
            torch.manual_seed(0)
            inputs = torch.randn(steps, batch, input_size, requires_grad=True)
            gflop = 6e-9 * steps * batch * 2 * hidden_size * (input_size + hidden_size)
            times, error = _measure(name, make(input_size, hidden_size), inputs, options.rounds)
            found.append(times)
            share, ratio = times.share(gflop), times.ratio(LOOP)
            measured.append((name, ratio, share))
            ours, theirs = (milliseconds(times.seconds(who)) for who in (OURS, LOOP))
            rows.append([name, ours, f"{share:.2f}", theirs, f"{ratio:.2f}", f"{error:.0e}"])
    goals = worst("every row", "× the eager loop", measured, 1.5)
    notes = [f"the {LOOP} projects all inputs before it, where the cell has `project`", *limit(found)]
    columns = ["T×B×I×H, cell", "ours, ms", "of peak", "eager loop, ms", "ratio", "error"]
    return Report(goals, columns, rows, notes)


def _measure(name: str, cell: Cell, inputs: Tensor, rounds: int) -> tuple[Times, float]:
    weight = torch.randn(*inputs.shape[:2], cell.output_size)
    exact = inputs.detach().double().requires_grad_()
    expected = _step(eager_loop, copy.deepcopy(cell).double(), exact, weight)
    error = max(map(difference, _step(_unroll, cell, inputs, weight), expected))
    check(name, error, 1e-5)
    contenders = {
        OURS: timed(lambda: _step(_unroll, cell, inputs, weight)),
        LOOP: timed(lambda: _step(eager_loop, cell, inputs, weight)),
    }
    return by_turns(contenders, rounds), error


def _step(path: Callable[[Cell, Tensor], Tensor], cell: Cell, inputs: Tensor, weight: Tensor) -> list[Tensor]:
    """A training step: the output and all gradients."""
    output = path(cell, inputs)
    return [output, *torch.autograd.grad(output, (inputs, *cell.parameters()), weight.to(output.dtype))]


def _unroll(cell: Cell, inputs: Tensor) -> Tensor:
    return unroll(cell, inputs).output


def eager_loop(cell: Cell, inputs: Tensor) -> Tensor:
    """The outputs, as one writes it with torch: what need not wait for the loop is done before it."""
    state, outputs = cell.initial_state(inputs.shape[1], like=inputs), []
    projected = cell.project(inputs)
    # `unbind` has one backward for all steps; an index a step would have as many, each of full size.
    steps = (
        projected.unbind(0)
        if isinstance(projected, Tensor)
        else zip(*(part.unbind(0) for part in projected), strict=True)
    )
    for now in steps:
        state = cell.step(now, state)
        outputs.append(cell.output(state))
    return torch.stack(outputs)
