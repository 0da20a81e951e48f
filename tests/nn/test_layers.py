"""Layers: torch.nn's signatures and shapes, ragged batches, and the dropouts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.errors import UserError
from unrolled.nn import GRU, LSTM, RNN, Recurrent, from_torch
from unrolled.nn.cells import Cell

TIME, BATCH, INPUT, HIDDEN = 7, 3, 4, 5
LENGTHS = torch.tensor([4, 7, 2])
F64 = torch.float64


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def leaves(result: object) -> list[Tensor]:
    if isinstance(result, PackedSequence):
        return [result.data]
    return [result] if isinstance(result, Tensor) else [leaf for part in result for leaf in leaves(part)]


def same(got: object, wanted: object) -> None:
    for a, b in zip(leaves(got), leaves(wanted), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.fixture(params=["rnn", "gru", "lstm"])
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, Recurrent]:
    """A torch layer, two deep and in both directions, and ours with its weights."""
    torch.manual_seed(0)
    kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[request.param]
    module = kind(INPUT, HIDDEN, num_layers=2, bidirectional=True, dtype=F64)
    return module, from_torch(module)


def first_state(module: nn.Module, *batch: int) -> Tensor | tuple[Tensor, Tensor]:
    h, c = draw(1, 4, *batch, HIDDEN), draw(2, 4, *batch, HIDDEN)
    return (h, c) if isinstance(module, nn.LSTM) else h


def test_shapes_and_values_are_torchs(pair: tuple[nn.Module, Recurrent]) -> None:
    module, layer = pair
    inputs = draw(3, TIME, BATCH, INPUT)
    same(layer(inputs), module(inputs))
    same(layer(inputs, first_state(module, BATCH)), module(inputs, first_state(module, BATCH)))


def test_a_sequence_without_a_batch(pair: tuple[nn.Module, Recurrent]) -> None:
    module, layer = pair
    inputs = draw(4, TIME, INPUT)
    same(layer(inputs, first_state(module)), module(inputs, first_state(module)))


def test_batch_first(pair: tuple[nn.Module, Recurrent]) -> None:
    module, layer = pair
    module.batch_first = layer.batch_first = True
    inputs = draw(5, BATCH, TIME, INPUT)
    same(layer(inputs), module(inputs))


@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_a_packed_sequence_comes_back_packed(pair: tuple[nn.Module, Recurrent], enforce_sorted: bool) -> None:
    module, layer = pair
    lengths = LENGTHS.sort(descending=True).values if enforce_sorted else LENGTHS
    packed = pack_padded_sequence(draw(6, TIME, BATCH, INPUT), lengths, enforce_sorted=enforce_sorted)
    state = first_state(module, BATCH)
    got, wanted = layer(packed, state), module(packed, state)
    same(got, wanted)
    output = got.output
    assert isinstance(output, PackedSequence)
    assert torch.equal(output.batch_sizes, packed.batch_sizes)
    same(pad_packed_sequence(output)[0], pad_packed_sequence(wanted[0])[0])


def test_lengths_are_a_packed_sequence(pair: tuple[nn.Module, Recurrent]) -> None:
    module, layer = pair
    inputs = draw(7, TIME, BATCH, INPUT)
    output, state = layer(inputs, lengths=LENGTHS)
    wanted, last = module(pack_padded_sequence(inputs, LENGTHS, enforce_sorted=False))
    same((output, state), (pad_packed_sequence(wanted)[0], last))


def test_gradients_are_torchs(pair: tuple[nn.Module, Recurrent]) -> None:
    module, layer = pair
    inputs = [draw(8, TIME, BATCH, INPUT).requires_grad_() for _ in range(2)]
    for each, x in zip((module, layer), inputs, strict=True):
        each(x)[0].square().sum().backward()
    same(*(x.grad for x in inputs))


@pytest.mark.parametrize("peepholes", ["none", "current"])
def test_a_ragged_batch_is_its_sequences_one_at_a_time(peepholes: str) -> None:
    torch.manual_seed(9)
    layer = LSTM(INPUT, HIDDEN, 3, bidirectional=True, peepholes=peepholes, layer_norm=True, dtype=F64)
    inputs = draw(10, TIME, BATCH, INPUT)
    output, (h, c) = layer(inputs, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, (h_alone, c_alone) = layer(inputs[:length, row : row + 1])
        same(output[:length, row : row + 1], alone)
        assert not output[length:, row].any()
        same((h[:, row : row + 1], c[:, row : row + 1]), (h_alone, c_alone))


def test_options_reach_the_cells() -> None:
    layer = GRU(INPUT, HIDDEN, 2, reset="none", orthogonal=True)
    assert [cell.reset for cell in layer.cells] == ["none", "none"]
    assert RNN(INPUT, HIDDEN, 1, "relu").cells[0].nonlinearity == "relu"
    assert LSTM(INPUT, HIDDEN, bias=False).cells[0].bias.requires_grad is False
    assert GRU(INPUT, HIDDEN).cells[0].reset == "before"


def test_a_cell_of_ones_own_in_layers() -> None:
    class Leaky(Cell):
        def __init__(self, input_size: int, hidden_size: int, *, leak: float = 0.5) -> None:
            super().__init__(input_size, hidden_size)
            self.leak = leak
            self.linear = nn.Linear(input_size + hidden_size, hidden_size, dtype=F64)

        def step(self, projected, state, memory=None):
            new = torch.tanh(self.linear(torch.cat((projected, state[0]), -1)))
            return (self.leak * state[0] + (1 - self.leak) * new,)

    torch.manual_seed(11)
    layer = Recurrent(Leaky, INPUT, HIDDEN, 2, bidirectional=True, leak=0.9)
    inputs = draw(12, TIME, BATCH, INPUT)
    output, state = layer(inputs, lengths=LENGTHS)
    assert output.shape == (TIME, BATCH, 2 * HIDDEN)
    assert state.shape == (4, BATCH, HIDDEN)
    output.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())
    with pytest.raises(UserError, match="did you mean 'leak'"):
        Recurrent(Leaky, INPUT, HIDDEN, leek=0.9)
    with pytest.raises(UserError, match="recurrent_dropout"):
        Recurrent(Leaky, INPUT, HIDDEN, recurrent_dropout=0.1)
    with pytest.raises(UserError, match="weight_drop"):
        Recurrent(Leaky, INPUT, HIDDEN, weight_drop=0.1)


def test_record_names_layers_and_directions() -> None:
    layer = GRU(INPUT, HIDDEN, 2, bidirectional=True)
    inputs = torch.randn(TIME, BATCH, INPUT)
    assert set(layer(inputs, record=["update"]).record) == {f"cells.{i}.update" for i in range(4)}
    assert set(layer(inputs, record=["cells.3.reset"]).record) == {"cells.3.reset"}
    with pytest.raises(UserError, match=r"cells\.0 to cells\.3"):
        layer(inputs, record=["cells.4.reset"])


@pytest.mark.parametrize("option", ["dropout", "input_dropout", "recurrent_dropout", "weight_drop"])
def test_dropout_is_drawn_in_training_alone(option: str) -> None:
    torch.manual_seed(13)
    layer = LSTM(INPUT, HIDDEN, 2, **{option: 0.5})
    inputs = torch.randn(TIME, BATCH, INPUT)
    assert not torch.equal(layer(inputs).output, layer(inputs).output)
    layer.eval()
    plain = LSTM(INPUT, HIDDEN, 2)
    plain.load_state_dict(layer.state_dict())
    assert torch.equal(layer(inputs).output, plain(inputs).output)


class Sum(Cell):
    """The sum of all inputs so far, its matrix the identity: dropout can be read off its states."""

    accepts_mask = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.recurrent_weight = nn.Parameter(torch.eye(hidden_size))

    def step(self, projected, state, memory=None):
        return ((state[0] if memory is None else state[0] * memory) @ self.recurrent_weight + projected,)


def test_no_steps_have_no_mask() -> None:
    assert Recurrent("gru", 3, 4, input_dropout=0.5)(torch.zeros(0, 2, 3)).output.shape == (0, 2, 4)


def test_input_dropout_keeps_one_mask_a_sequence() -> None:
    torch.manual_seed(14)
    layer = Recurrent(Sum, 50, 50, input_dropout=0.5)
    steps = layer(torch.ones(3, 2, 50)).output
    assert torch.equal(steps[1], 2 * steps[0])
    assert torch.equal(steps[2], 3 * steps[0])
    assert steps[0].unique().tolist() == [0, 2]
    assert not torch.equal(steps[0, 0], steps[0, 1])


def test_recurrent_dropout_keeps_one_mask_a_sequence() -> None:
    torch.manual_seed(15)
    layer = Recurrent(Sum, 50, 50, recurrent_dropout=0.5)
    steps = layer(torch.ones(3, 2, 50)).output
    assert torch.equal(steps[0], torch.ones(2, 50))
    mask = steps[1] - 1
    assert mask.unique().tolist() == [0, 2]
    assert torch.equal(steps[2], steps[1] * mask + 1)


def test_dropout_between_layers_is_drawn_at_every_step() -> None:
    torch.manual_seed(16)
    layer = Recurrent(Sum, 50, 50, 2, dropout=0.5)
    steps = layer(torch.ones(2, 1, 50)).output
    assert steps[0].unique().tolist() == [0, 2]
    assert not torch.equal(steps[1] - steps[0], 2 * steps[0])


def test_weight_drop_drops_entries_of_the_recurrent_matrix() -> None:
    torch.manual_seed(17)
    layer = Recurrent(Sum, 50, 50, weight_drop=0.5)
    steps = layer(torch.ones(2, 2, 50)).output
    carried = steps[1] - 1
    assert carried.unique().tolist() == [0, 2]
    assert torch.equal(carried[0], carried[1])
    steps.sum().backward()
    assert (layer.cells[0].recurrent_weight.grad != 0).any()
    assert torch.equal(layer.cells[0].recurrent_weight, torch.eye(50))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(4, 5, proj_size=3), "proj_size=3"),
        (lambda: LSTM(4, 5, 0), "num_layers=0"),
        (lambda: LSTM(4, 5, dropout=1.0), r"dropout=1\.0"),
        (lambda: LSTM(4, 5, peephole="current"), "did you mean 'peepholes'"),
        (lambda: Recurrent("lstn", 4, 5), "did you mean 'lstm'"),
        (lambda: LSTM(4, 5)(torch.zeros(2, 3, 5)), "5 features; it takes 4"),
        (lambda: LSTM(4, 5)(torch.zeros(2, 3, 4, 1)), "2 or 3"),
        (lambda: LSTM(4, 5)(torch.zeros(2, 3, 4), torch.zeros(1, 3, 5)), r"takes \(1, 3, 5\), \(1, 3, 5\)"),
        (lambda: GRU(4, 5)(torch.zeros(2, 3, 4), torch.zeros(2, 3, 5)), r"takes \(1, 3, 5\)"),
        (
            lambda: GRU(4, 5)(pack_padded_sequence(torch.zeros(2, 3, 4), [2, 2, 1]), lengths=[1, 1, 1]),
            "packed sequence has its own",
        ),
    ],
)
def test_what_does_not_fit_is_said(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("state", [(), (torch.zeros(1, 2, 4), None)])
def test_a_state_that_is_no_tensors_is_refused(state) -> None:
    with pytest.raises(UserError, match="this layer takes a tensor, or a tuple of them"):
        LSTM(3, 4)(torch.zeros(5, 2, 3), state)
