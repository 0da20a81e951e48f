"""Each cell's step against its equations, worked out here number by number."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn.cells import GRU, LSTM, RNN, Cell, GatedCell, recording

INPUT, HIDDEN, BATCH = 3, 2, 2


def sigmoid(z: float) -> float:
    return 1 / (1 + np.exp(-z))


class Weights:
    """A cell's parameters gate by gate, as W[a, x] + b reads them: one scalar at a time."""

    def __init__(self, cell: GatedCell) -> None:
        split = {name: p.detach().numpy() for name, p in cell.named_parameters()}
        h = cell.hidden_size
        self.w = {g: split["input_weight"][i * h : (i + 1) * h] for i, g in enumerate(cell.gates)}
        self.r = {g: split["recurrent_weight"][i * h : (i + 1) * h] for i, g in enumerate(cell.gates)}
        self.b = {g: split["bias"][i * h : (i + 1) * h] for i, g in enumerate(cell.gates)}
        self.second = split.get("recurrent_bias")
        self.peep = split.get("peephole")

    def of_input(self, gate: str, unit: int, x: np.ndarray) -> float:
        return sum(self.w[gate][unit][k] * x[k] for k in range(len(x))) + self.b[gate][unit]

    def of_state(self, gate: str, unit: int, a: np.ndarray) -> float:
        return sum(self.r[gate][unit][k] * a[k] for k in range(len(a)))

    def __call__(self, gate: str, unit: int, a: np.ndarray, x: np.ndarray) -> float:
        return self.of_state(gate, unit, a) + self.of_input(gate, unit, x)


def make(kind: type[GatedCell], seed: int, **options: str) -> GatedCell:
    torch.manual_seed(seed)
    cell = kind(INPUT, HIDDEN, dtype=torch.float64, **options)
    for parameter in cell.parameters():
        nn.init.normal_(parameter)
    return cell


def draw(seed: int, states: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(BATCH, INPUT, dtype=torch.float64, generator=generator)
    return x, tuple(
        torch.randn(BATCH, HIDDEN, dtype=torch.float64, generator=generator) for _ in range(states)
    )


def same(actual: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn_is_its_equation(nonlinearity: str) -> None:
    cell = make(RNN, 0, nonlinearity=nonlinearity)
    w = Weights(cell)
    x, (a,) = draw(1, 1)
    g = np.tanh if nonlinearity == "tanh" else lambda z: max(z, 0.0)
    expected = np.array(
        [
            [g(w("hidden", u, a_row, x_row)) for u in range(HIDDEN)]
            for a_row, x_row in zip(a.numpy(), x.numpy(), strict=True)
        ]
    )
    same(cell.step(cell.project(x), (a,))[0], expected)


@pytest.mark.parametrize("reset", ["before", "after", "none"])
def test_gru_is_its_equation(reset: str) -> None:
    cell = make(GRU, 2, reset=reset)
    w = Weights(cell)
    x, (c,) = draw(3, 1)
    expected = np.zeros((BATCH, HIDDEN))
    for row, unit in itertools.product(range(BATCH), range(HIDDEN)):
        now, before = x[row].numpy(), c[row].numpy()
        update = sigmoid(w("update", unit, before, now))
        if reset == "none":
            candidate = np.tanh(w("candidate", unit, before, now))
        else:
            gates = np.array([sigmoid(w("reset", u, before, now)) for u in range(HIDDEN)])
            if reset == "before":
                candidate = np.tanh(w("candidate", unit, gates * before, now))
            else:
                inner = w.of_state("candidate", unit, before) + w.second[unit]
                candidate = np.tanh(w.of_input("candidate", unit, now) + gates[unit] * inner)
        expected[row, unit] = update * candidate + (1 - update) * before[unit]
    same(cell.step(cell.project(x), (c,))[0], expected)


@pytest.mark.parametrize("output", ["tanh", "identity"])
@pytest.mark.parametrize("peepholes", ["none", "current", "previous"])
def test_lstm_is_its_equation(peepholes: str, output: str) -> None:
    cell = make(LSTM, 4, peepholes=peepholes, output=output)
    w = Weights(cell)
    x, (a, c) = draw(5, 2)
    expected_a, expected_c = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN))
    for row, unit in itertools.product(range(BATCH), range(HIDDEN)):
        now, before, memory = x[row].numpy(), a[row].numpy(), c[row, unit].item()
        peep = np.zeros(3) if peepholes == "none" else w.peep[:, unit]
        candidate = np.tanh(w("candidate", unit, before, now))
        update = sigmoid(w("update", unit, before, now) + peep[0] * memory)
        forget = sigmoid(w("forget", unit, before, now) + peep[1] * memory)
        new = update * candidate + forget * memory
        seen = new if peepholes == "current" else memory
        gate = sigmoid(w("output", unit, before, now) + peep[2] * seen)
        expected_c[row, unit] = new
        expected_a[row, unit] = gate * (np.tanh(new) if output == "tanh" else new)
    new_a, new_c = cell.step(cell.project(x), (a, c))
    same(new_a, expected_a)
    same(new_c, expected_c)


ALL = [
    (RNN, {}),
    (RNN, {"nonlinearity": "relu"}),
    *((GRU, {"reset": reset}) for reset in ("before", "after", "none")),
    *(
        (LSTM, {"peepholes": p, "output": o})
        for p in ("none", "current", "previous")
        for o in ("tanh", "identity")
    ),
]


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_join_adds_the_columns_that_project_was_not_given(
    kind: type[GatedCell], options: dict[str, str]
) -> None:
    cell = make(kind, 6, **options)
    x, _ = draw(7, 1)
    torch.testing.assert_close(cell.join(cell.project(x[:, :2]), x[:, 2:]), cell.project(x))


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_memory_masks_the_state_on_its_way_into_the_matrix_alone(
    kind: type[GatedCell], options: dict[str, str]
) -> None:
    cell = make(kind, 8, **options)
    x, state = draw(9, 2 if kind is LSTM else 1)
    mask = torch.tensor([[0.0, 2.0], [2.0, 0.0]], dtype=torch.float64)
    masked = cell.step(cell.project(x), state, mask)
    with torch.no_grad():
        for row in range(BATCH):  # the same as a matrix whose columns are scaled
            scaled = make(kind, 8, **options)
            scaled.recurrent_weight.mul_(mask[row])
            alone = scaled.step(scaled.project(x[row : row + 1]), tuple(s[row : row + 1] for s in state))
            for got, expected in zip(masked, alone, strict=True):
                torch.testing.assert_close(got[row : row + 1].detach(), expected)


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (GRU(3, 2), {"reset", "update", "candidate"}),
        (GRU(3, 2, reset="none"), {"update", "candidate"}),
        (LSTM(3, 2), {"candidate", "update", "forget", "output", "cell"}),
    ],
)
def test_gates_are_noted(cell: GatedCell, names: set[str]) -> None:
    noted: dict[str, torch.Tensor] = {}
    x = torch.ones(1, 3)
    with recording(lambda _, name, value: noted.__setitem__(name, value)):
        state = cell.step(cell.project(x), cell.initial_state(1, like=x))
    assert set(noted) == names
    assert all(value.shape == (1, 2) for value in noted.values())
    if "cell" in noted:
        assert torch.equal(noted["cell"], state[1])


def test_fresh_weights_are_uniform_and_the_forget_bias_is_raised() -> None:
    torch.manual_seed(10)
    cell = LSTM(50, 100)
    bound = 1 / 10
    gate = dict(zip(cell.gates, cell.bias.detach().split(100), strict=True))
    assert (gate["forget"] - 1).abs().max() <= bound + 1e-6
    for name in ("update", "candidate", "output"):
        assert gate[name].abs().max() <= bound
    assert 0.99 * bound < cell.recurrent_weight.abs().max() <= bound
    assert cell.recurrent_weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    torch.manual_seed(10)
    assert LSTM(50, 100, forget_bias=0).bias.abs().max() <= bound


def test_recurrent_matrices_are_orthogonal_on_request() -> None:
    torch.manual_seed(11)
    for matrix in GRU(3, 5, orthogonal=True).recurrent_weight.detach().split(5):
        torch.testing.assert_close(matrix @ matrix.t(), torch.eye(5))


def test_without_bias_there_are_no_bias_parameters() -> None:
    cell = GRU(3, 2, reset="after", bias=False)
    assert {name for name, _ in cell.named_parameters()} == {"input_weight", "recurrent_weight"}
    assert not cell.project(torch.zeros(1, 3)).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RNN(3, 2, nonlinearity="sin"), "'tanh', 'relu'"),
        (lambda: GRU(3, 2, reset="always"), "'before', 'after', 'none'"),
        (lambda: LSTM(3, 2, peepholes="yes"), "'none', 'current', 'previous'"),
        (lambda: LSTM(3, 2, output="relu"), "'tanh', 'identity'"),
        (lambda: LSTM(3, 0), "hidden_size=0"),
    ],
)
def test_a_wrong_option_names_the_options(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_a_cell_of_ones_own_needs_a_step_alone() -> None:
    class Sum(Cell):
        def step(self, projected, state, memory=None):
            return (state[0] + projected,)

    cell = Sum(2, 2)
    x = torch.ones(1, 2)
    assert torch.equal(cell.output(cell.step(cell.project(x), cell.initial_state(1, like=x))), x)
    assert cell.join(x, x).shape == (1, 4)
    with pytest.raises(NotImplementedError):
        Cell(2, 2).step(x, (x,))
