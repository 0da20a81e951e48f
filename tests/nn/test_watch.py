from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unrolled.nn import (
    GRU,
    LSTM,
    RNN,
    AttentionMemory,
    Bahdanau,
    Cell,
    Recurrent,
    make_attention,
    unroll,
    watching,
)
from unrolled.nn import cell as make_cell
from unrolled.nn.attentive import DecoderMemory

TIME, BATCH, SIZE, HIDDEN = 6, 3, 4, 5
LENGTHS = [6, 2, 4]


class Leaky(Cell):
    """A cell of one's own: nothing but a step and a note."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, projected, state, memory=None):
        (a,) = state
        keep = self.note("keep", torch.sigmoid(self.inner(torch.cat([a, projected], dim=-1))))
        return (keep * a + (1 - keep) * torch.tanh(projected.sum(-1, keepdim=True)),)


def inputs(seed: int = 0, size: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(TIME, BATCH, size, generator=generator, dtype=torch.float64)


def cells() -> list[Cell]:
    torch.manual_seed(1)
    built_in = [
        ("rnn", {}),
        ("gru", {}),
        ("gru", {"reset": "after"}),
        ("lstm", {}),
        ("lstm", {"peepholes": "current"}),
    ]
    return [
        *(make_cell(name, SIZE, HIDDEN, **options).double() for name, options in built_in),
        Leaky(SIZE, HIDDEN).double(),
    ]


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("cell", cells(), ids=lambda cell: type(cell).__name__)
def test_gates_are_those_that_unroll_records(cell: Cell, reverse: bool, grad: bool) -> None:
    names = {"RNN": [], "GRU": ["reset", "update", "candidate"], "Leaky": ["keep"]}.get(
        type(cell).__name__, ["update", "forget", "candidate", "output", "cell"]
    )
    options = {"lengths": LENGTHS, "reverse": reverse}
    with torch.set_grad_enabled(grad):
        alone = unroll(cell, inputs(), record=names, **options)
        with watching(gates=True) as passages:
            seen = unroll(cell, inputs(), **options)
    (passage,) = passages
    assert passage.cell is cell
    assert passage.nudges is None
    assert set(passage.record) == set(names)
    for name in names:
        torch.testing.assert_close(passage.record[name], alone.record[name])
        assert not passage.record[name][2:, 1].any()
    torch.testing.assert_close(seen.output, alone.output)
    torch.testing.assert_close(passage.output, alone.output)


def from_there(cell: Cell, x: Tensor, memory, at: int, push: Tensor) -> Tensor:
    """The outputs when ``push`` is added to the hidden state that step ``at`` made."""
    first = unroll(cell, x[: at + 1], memory=memory)
    hidden, *others = first.state
    state = (hidden + push, *others)
    rest = unroll(cell, x[at + 1 :], state, memory=memory)
    return torch.cat([first.output[:-1], cell.output(state)[None], rest.output])


def check_against_finite_differences(cell: Cell, x: Tensor, memory=None) -> None:
    weights = inputs(3, cell.output_size)
    with watching(nudges=True) as passages:
        output = unroll(cell, x, memory=memory).output
    torch.testing.assert_close(output, unroll(cell, x, memory=memory).output)
    (passage,) = passages
    assert passage.nudges is not None
    (gradient,) = torch.autograd.grad((output * weights).sum(), passage.nudges)
    for at in (0, 2, TIME - 1):
        for row, unit in ((0, 1), (2, 4)):
            push = torch.zeros(BATCH, cell.hidden_size, dtype=torch.float64)
            push[row, unit] = 1e-5
            with torch.no_grad():
                up, down = (from_there(cell, x, memory, at, sign * push) for sign in (1, -1))
            numeric = float(((up - down) * weights).sum() / 2e-5)
            assert float(gradient[at, row, unit]) == pytest.approx(numeric, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: type(cell).__name__)
def test_nudges_know_the_states_gradients(cell: Cell) -> None:
    check_against_finite_differences(cell, inputs())


def test_a_decoder_that_attends_is_a_cell_like_any_other() -> None:
    torch.manual_seed(2)
    attention = make_attention("additive", HIDDEN, 3, 4)
    cell = Bahdanau(make_cell("lstm", SIZE + 3, HIDDEN), attention).double()
    values = inputs(5, 3).transpose(0, 1)[:, :4]
    remembered = AttentionMemory(
        torch.tanh(inputs(6, 4).transpose(0, 1)[:, :4]), values, torch.tensor([4, 2, 3])
    )
    memory = DecoderMemory(remembered)
    check_against_finite_differences(cell, inputs(), memory)
    with watching(gates=True, nudges=True) as passages:
        unroll(cell, inputs(), memory=memory)
    expected = unroll(cell, inputs(), memory=memory, record=["attention", "cell.cell"]).record
    assert set(expected) < set(passages[0].record)
    with watching(nudges=True) as passages:
        again = unroll(cell, inputs(), memory=memory, record=["attention", "cell.cell"]).record
    for name, value in expected.items():
        torch.testing.assert_close(again[name], value)


@pytest.mark.parametrize("layer", [RNN, GRU, LSTM])
def test_layers_show_every_cell_at_its_inputs_places(layer: type[Recurrent]) -> None:
    torch.manual_seed(3)
    layers = layer(SIZE, HIDDEN, num_layers=2, bidirectional=True).double()
    with watching(gates=True, nudges=True) as passages:
        output = layers(inputs(), lengths=LENGTHS).output
    assert [passage.cell for passage in passages] == list(layers.cells)
    assert passages[0].inputs.requires_grad
    last = torch.cat([passage.output for passage in passages[2:]], dim=-1)
    torch.testing.assert_close(last, output)
    # The loss at the first step of the second sequence reaches its last one (the way back), and no further.
    gradient = torch.autograd.grad(output[0, 1].sum(), passages[3].nudges)[0][:, 1]
    assert gradient[1].any()
    assert not gradient[2:].any()


def test_nobody_watches_afterwards() -> None:
    cell = cells()[0]
    with watching(gates=True) as passages:
        pass
    unroll(cell, inputs())
    assert passages == []
