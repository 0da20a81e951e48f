"""The loop: any cell, its gradients checked by finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn import deferred, loop
from unrolled.nn.attentive import Stacked
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.substitute import substitute
from unrolled.nn.unroll import unroll

CELLS = {
    "rnn": lambda: RNN(2, 3, dtype=torch.float64),
    "gru-before": lambda: GRU(2, 3, dtype=torch.float64),
    "gru-after": lambda: GRU(2, 3, reset="after", dtype=torch.float64),
    "gru-none": lambda: GRU(2, 3, reset="none", dtype=torch.float64),
    "lstm": lambda: LSTM(2, 3, dtype=torch.float64),
    "lstm-peepholes": lambda: LSTM(2, 3, peepholes="current", output="identity", dtype=torch.float64),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_those_of_finite_differences(
    name: str, reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "SMALL", 0)
    torch.manual_seed(0)
    cell = CELLS[name]()
    inputs = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    first = [
        torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in cell.initial_state(2, like=inputs)
    ]
    names, values = zip(*cell.named_parameters(), strict=True)
    parameters = [value.detach().clone().requires_grad_() for value in values]

    def run(inputs: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = dict(zip(names, rest[len(first) :], strict=True))
        result = loop.unroll(
            substitute(cell, lambda name, _: weights[name]),
            inputs,
            rest[: len(first)],
            lengths=torch.tensor([3, 1]),
            reverse=reverse,
        )
        return (result.output, *result.state)

    assert torch.autograd.gradcheck(run, (inputs, *first, *parameters))


class Mixed(Cell):
    """A state that is not two-dimensional, a projection of two parts, and a memory that is a dictionary."""

    def __init__(self) -> None:
        super().__init__(4, 6, output_size=2)
        self.left, self.right = nn.Linear(4, 6), nn.Linear(4, 6)

    def initial_state(self, batch, *, like):
        return (like.new_zeros(batch, 2, 3), like.new_zeros(batch))

    def project(self, inputs):
        return self.left(inputs), self.right(inputs)

    def step(self, projected, state, memory=None):
        left, right = projected
        grid = torch.tanh(left.unflatten(-1, (2, 3)) + state[0] * right.unflatten(-1, (2, 3)))
        return (grid * memory["scale"], state[1] + 1)

    def output(self, state):
        return state[0].sum(-1)


def test_states_projections_and_memories_of_any_shape() -> None:
    torch.manual_seed(1)
    cell, inputs = Mixed(), torch.randn(5, 3, 4)
    lengths = torch.tensor([5, 2, 0])
    memory = {"scale": torch.tensor(0.5)}
    result = loop.unroll(cell, inputs, cell.initial_state(3, like=inputs), lengths=lengths, memory=memory)
    assert result.output.shape == (5, 3, 2)
    assert result.state[1].tolist() == [5, 2, 0]
    state = cell.initial_state(1, like=inputs)
    for t in range(2):
        state = cell.step(cell.project(inputs[t, 1:2]), state, memory)
        torch.testing.assert_close(result.output[t, 1:2], cell.output(state))
    torch.testing.assert_close(result.state[0][1:2], state[0])
    assert not result.output[2:, 1].any()


@pytest.mark.parametrize("after", [lambda state: state[0], lambda state: (*state, state[0])])
@pytest.mark.parametrize("time", [1, 4])
def test_a_step_that_returns_no_state_is_refused(after, time: int) -> None:
    class Wrong(Cell):
        def step(self, projected, state, memory=None):
            return after((torch.tanh(projected + state[0]),))

    with pytest.raises(UserError, match=r"Wrong\.step must return a tuple of 1 tensor"):
        unroll(Wrong(3, 3), torch.randn(time, 3, 3))


def test_what_a_step_sets_on_its_cell_is_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "SMALL", 0)

    class Counting(Cell):
        def __init__(self) -> None:
            super().__init__(3, 3)
            self.weight = nn.Parameter(torch.eye(3))
            self.turned: torch.Tensor | None = None
            self.steps = 0

        def step(self, projected, state, memory=None):
            self.steps += 1
            self.turned = self.weight.t() if self.turned is None else self.turned
            return (torch.tanh(projected @ self.turned + state[0]),)

    cell = Counting()
    for _ in range(2):
        unroll(cell, torch.randn(4, 2, 3)).output.sum().backward()
    assert cell.steps == 8
    assert type(cell.turned) is torch.Tensor
    assert cell.turned.data_ptr() == cell.weight.data_ptr()
    assert type(cell.weight) is nn.Parameter


@pytest.mark.parametrize("gradients", [False, True])
def test_a_cell_in_two_places_is_recorded_in_both(gradients: bool) -> None:
    torch.manual_seed(2)
    twice, inputs = GRU(3, 3), torch.randn(4, 2, 3)
    with torch.set_grad_enabled(gradients):
        found = unroll(Stacked([twice, twice]), inputs, record=("cells.1.update", "reset"))
        below = unroll(twice, inputs, record=("reset",))
        above = unroll(twice, below.output, record=("reset", "update"))
    assert set(found.record) == {"cells.1.update", "cells.0.reset", "cells.1.reset"}
    torch.testing.assert_close(found.record["cells.0.reset"], below.record["reset"])
    torch.testing.assert_close(found.record["cells.1.reset"], above.record["reset"])
    torch.testing.assert_close(found.record["cells.1.update"], above.record["update"])
