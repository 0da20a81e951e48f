"""What unroll promises, whichever path runs: zero past each length, the state at each last real step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.utils import prune

from unrolled.errors import UserError
from unrolled.nn.attention import make_attention
from unrolled.nn.attentive import Bahdanau, DecoderMemory
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.layers import Recurrent
from unrolled.nn.unroll import unroll

TIME, BATCH, INPUT, HIDDEN = 6, 4, 3, 5
LENGTHS = torch.tensor([6, 0, 3, 1])
CELLS = [
    RNN(INPUT, HIDDEN, dtype=torch.float64),
    GRU(INPUT, HIDDEN, dtype=torch.float64),
    GRU(INPUT, HIDDEN, reset="after", dtype=torch.float64),
    GRU(INPUT, HIDDEN, reset="none", dtype=torch.float64),
    LSTM(INPUT, HIDDEN, dtype=torch.float64),
    LSTM(INPUT, HIDDEN, peepholes="current", output="identity", dtype=torch.float64),
    LSTM(INPUT, HIDDEN, peepholes="previous", dtype=torch.float64),
]


def case(cell: Cell, seed: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64, generator=generator)
    state = cell.initial_state(BATCH, like=inputs)
    return inputs, tuple(torch.randn(s.shape, dtype=s.dtype, generator=generator) for s in state)


def by_hand(cell: Cell, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One sequence ``(time, 1, input)``, step by step."""
    outputs = []
    for x in inputs:
        state = cell.step(cell.project(x), state, None)
        outputs.append(cell.output(state))
    return torch.stack(outputs) if outputs else inputs.new_zeros(0, 1, cell.output_size), state


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_a_ragged_batch_is_its_sequences_one_at_a_time(cell: Cell, reverse: bool) -> None:
    inputs, first = case(cell, seed=0)
    output, state = unroll(cell, inputs, first, lengths=LENGTHS, reverse=reverse)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = inputs[:length, row : row + 1]
        expected, last = by_hand(
            cell, alone.flip(0) if reverse else alone, tuple(s[row : row + 1] for s in first)
        )
        torch.testing.assert_close(output[:length, row : row + 1], expected.flip(0) if reverse else expected)
        assert not output[length:, row].any()
        for got, wanted in zip(state, last, strict=True):
            torch.testing.assert_close(got[row : row + 1], wanted)


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_padding_reaches_no_gradient(cell: Cell) -> None:
    inputs, first = case(cell, seed=1)
    inputs.requires_grad_()
    output, state = unroll(cell, inputs, first, lengths=LENGTHS)
    (output.sum() + sum(part.sum() for part in state)).backward()
    for row, length in enumerate(LENGTHS.tolist()):
        assert not inputs.grad[length:, row].any()
        assert not length or inputs.grad[:length, row].all()


class Normalised(Cell):
    """A cell that divides by its input's norm; with ``branch``, one that no trace is made of."""

    def __init__(self, branch: bool) -> None:
        super().__init__(INPUT, INPUT)
        self.branch = branch
        self.weight = torch.nn.Parameter(torch.eye(INPUT, dtype=torch.float64) / 2)

    def step(self, projected, state, memory=None):
        if self.branch and projected.sum() > 1e9:
            return state
        return (torch.tanh(projected / projected.norm(dim=-1, keepdim=True) @ self.weight + state[0]),)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize("padding", [0, torch.nan])
def test_padding_poisons_no_cell_that_divides_by_its_input(
    padding: float, branch: bool, reverse: bool
) -> None:
    cell = Normalised(branch)
    inputs, first = case(cell, seed=5)
    expected = torch.zeros_like(cell.weight)
    for row, length in enumerate(LENGTHS.tolist()):
        inputs[length:, row] = padding
        if length:
            alone, state = inputs[:length, row : row + 1], (first[0][row : row + 1],)
            output, _ = by_hand(cell, alone.flip(0) if reverse else alone, state)
            expected += torch.autograd.grad(output.sum(), cell.weight)[0]
    inputs.requires_grad_()
    unroll(cell, inputs, first, lengths=LENGTHS, reverse=reverse).output.sum().backward()
    torch.testing.assert_close(cell.weight.grad, expected)
    assert inputs.grad is not None
    assert inputs.grad.isfinite().all()
    assert not inputs.grad[:, 1].any()


def test_the_first_state_is_zeros_and_one_tensor_will_do() -> None:
    cell = CELLS[0]
    inputs, first = case(cell, seed=2)
    zeros = torch.zeros(BATCH, HIDDEN, dtype=torch.float64)
    assert torch.equal(unroll(cell, inputs).output, unroll(cell, inputs, (zeros,)).output)
    assert torch.equal(unroll(cell, inputs, first).output, unroll(cell, inputs, first[0]).output)


def test_no_steps_and_no_rows() -> None:
    cell = CELLS[4]
    output, state = unroll(cell, torch.zeros(0, 2, INPUT, dtype=torch.float64))
    assert output.shape == (0, 2, HIDDEN)
    assert [s.shape for s in state] == [(2, HIDDEN), (2, HIDDEN)]
    for lengths in (torch.tensor([], dtype=torch.int64), []):
        none = unroll(cell, torch.zeros(3, 0, INPUT, dtype=torch.float64), lengths=lengths)
        assert none.output.shape == (3, 0, HIDDEN)


def test_lengths_that_are_all_full_change_nothing() -> None:
    cell = CELLS[1]
    inputs, first = case(cell, seed=3)
    assert torch.equal(
        unroll(cell, inputs, first, lengths=[TIME] * BATCH).output, unroll(cell, inputs, first).output
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_record_returns_the_gates_that_make_the_state(reverse: bool) -> None:
    cell = CELLS[4]
    inputs, first = case(cell, seed=4)
    names = ("candidate", "update", "forget", "output", "cell")
    result = unroll(cell, inputs, first, lengths=LENGTHS, reverse=reverse, record=names)
    assert set(result.record) == set(names)
    gate = result.record
    torch.testing.assert_close(result.output, gate["output"] * gate["cell"].tanh())
    for name in names:
        assert not gate[name][LENGTHS[2] :, 2].any()
    before = torch.cat((first[1][None, :1], gate["cell"][:-1, :1]))
    if not reverse:
        torch.testing.assert_close(
            gate["cell"][:, :1],
            gate["update"][:, :1] * gate["candidate"][:, :1] + gate["forget"][:, :1] * before,
        )


def test_record_names_cells_within_a_cell_by_their_path() -> None:
    class Two(Cell):
        def __init__(self) -> None:
            super().__init__(INPUT, HIDDEN)
            self.lower, self.upper = GRU(INPUT, HIDDEN), GRU(HIDDEN, HIDDEN)

        def initial_state(self, batch, *, like):
            return self.upper.initial_state(batch, like=like) + self.lower.initial_state(batch, like=like)

        def step(self, projected, state, memory=None):
            (low,) = self.lower.step(self.lower.project(projected), state[1:])
            return (*self.upper.step(self.upper.project(low), state[:1]), low)

    inputs = torch.randn(TIME, BATCH, INPUT)
    cell = Two()
    assert set(unroll(cell, inputs, record=["update"]).record) == {"lower.update", "upper.update"}
    assert set(unroll(cell, inputs, record=["upper.update", "lower.reset"]).record) == {
        "upper.update",
        "lower.reset",
    }
    with pytest.raises(UserError, match="did you mean 'update'"):
        unroll(cell, inputs, record=["updates"])


def test_another_default_device_changes_nothing() -> None:
    class Leaky(Cell):
        def step(self, projected, state, memory=None):
            return (0.5 * state[0] + 0.5 * torch.tanh(projected + state[0]),)

    attention = make_attention("additive", HIDDEN, 2).double()
    attending = Bahdanau(GRU(INPUT + 2, HIDDEN, dtype=torch.float64), attention)
    memory = DecoderMemory(attention.remember(torch.ones(5, BATCH, 2).double(), torch.tensor([5, 2, 1, 3])))
    runs = [(CELLS[1], {"record": "update"}), (Leaky(INPUT, INPUT), {}), (attending, {"memory": memory})]
    for cell, options in runs:
        inputs, first = case(cell, seed=6)
        for lengths in (None, LENGTHS.tolist()):
            found = []
            for device in ("cpu", "meta"):
                with torch.device(device), torch.no_grad():
                    found.append(unroll(cell, inputs, first, lengths=lengths, **options))
            torch.testing.assert_close(found[1].output, found[0].output)
            torch.testing.assert_close(found[1].state, found[0].state)
            torch.testing.assert_close(found[1].record, found[0].record)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_a_pruned_cell_learns_step_after_step(kind: type[Cell]) -> None:
    cell, inputs = kind(INPUT, HIDDEN), torch.randn(TIME, BATCH, INPUT)
    prune.random_unstructured(cell, "recurrent_weight", 0.5)
    pruned = cell.recurrent_weight == 0
    optimizer = torch.optim.SGD(cell.parameters(), lr=1.0)
    before = cell.recurrent_weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        unroll(cell, inputs).output.sum().backward()
        optimizer.step()
    unroll(cell, inputs)
    assert not cell.recurrent_weight[pruned].any()
    assert (cell.recurrent_weight != before)[~pruned].any()


def test_a_pre_hook_may_ask_for_keywords_of_which_there_are_none() -> None:
    cell, seen = GRU(INPUT, HIDDEN), []
    cell.register_forward_pre_hook(lambda *given: seen.append(given[1:]), with_kwargs=True)
    unroll(cell, inputs := torch.randn(TIME, BATCH, INPUT))
    assert seen == [((inputs,), {})]


def test_looking_at_a_state_draws_nothing() -> None:
    class Drawn(Cell):
        def initial_state(self, batch, *, like):
            return (torch.randn(batch, self.hidden_size).to(like),)

        def step(self, projected, state, memory=None):
            return (projected + state[0],)

    before = torch.get_rng_state()
    unroll(Drawn(INPUT, INPUT), torch.zeros(2, BATCH, INPUT), torch.zeros(BATCH, INPUT))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("other", [Recurrent("gru", INPUT, HIDDEN), torch.nn.Linear(INPUT, HIDDEN)])
def test_what_is_no_cell_is_refused(other) -> None:
    with pytest.raises(UserError, match=f"{type(other).__name__} is not a cell"):
        unroll(other, torch.zeros(2, BATCH, INPUT))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": torch.zeros(2, 3)}, r"take.*\(time, batch, 3\)"),
        ({"inputs": torch.zeros(2, 3, 4)}, r"take.*\(time, batch, 3\)"),
        ({"lengths": [1, 2, 3]}, "4 integers"),
        ({"lengths": [1.0, 2.0, 3.0, 1.0]}, "4 integers"),
        ({"lengths": [1, 2, 7, 1]}, "0 to 6"),
        ({"lengths": [1, 2, -1, 1]}, "0 to 6"),
        ({"state": torch.zeros(1, HIDDEN)}, r"state \(1, 5\): this cell takes \(4, 5\)"),
        ({"state": (torch.zeros(BATCH, HIDDEN),) * 2}, "this cell takes"),
        ({"record": "updte"}, "did you mean 'update'"),
    ],
)
def test_what_does_not_fit_is_said(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        unroll(GRU(INPUT, HIDDEN), **{"inputs": torch.zeros(TIME, BATCH, INPUT), **arguments})
