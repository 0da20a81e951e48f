"""Cells by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch

from unrolled.errors import UserError
from unrolled.nn import Recurrent, cells, register
from unrolled.nn.register import cell, cell_names, cell_options, find_cell, register_cell


class Own(cells.Cell):
    """Registered below under an entry point's name, and by the decorator."""

    def __init__(self, input_size: int, hidden_size: int, *, leak: float = 0.5) -> None:
        super().__init__(input_size, hidden_size)
        self.leak = leak

    def step(self, projected, state, memory=None):
        return (self.leak * state[0] + projected,)


@pytest.fixture(autouse=True)
def _nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "_REGISTERED", {})


def test_the_built_in_cells() -> None:
    assert {"rnn", "gru", "lstm"} <= set(cell_names())
    made = cell("gru", 3, 4, reset="after")
    assert type(made) is cells.GRU
    assert (made.input_size, made.hidden_size, made.reset) == (3, 4, "after")


def test_a_registered_cell_works_in_layers() -> None:
    assert register_cell("own")(Own) is Own
    assert "own" in cell_names()
    output, _ = Recurrent("own", 2, 2, leak=1.0)(torch.ones(3, 1, 2))
    assert output[:, 0, 0].tolist() == [1, 2, 3]


def test_an_entry_point_of_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    found = EntryPoints(
        [
            EntryPoint("theirs", "unrolled.nn.cells:RNN", "unrolled.cells"),
            EntryPoint("wrong", "unrolled.errors:at", "unrolled.cells"),
        ]
    )
    monkeypatch.setattr(register, "entry_points", lambda **which: found.select(**which))
    assert {"theirs", "wrong"} <= set(cell_names())
    assert find_cell("theirs") is cells.RNN
    with pytest.raises(UserError, match=r"'wrong'.*not a subclass"):
        find_cell("wrong")


def test_a_decorator_without_a_name_says_what_it_wants() -> None:
    with pytest.raises(TypeError, match="wants a name"):
        register_cell(Own)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [torch.nn.GRUCell, cells.GRU(3, 4), torch.nn.LSTM])
def test_a_layer_is_of_cells_alone(other) -> None:
    with pytest.raises(UserError, match="give a cell's name, or a subclass"):
        Recurrent(other, 3, 4)


def test_names_and_options_nearest_to_a_mistake() -> None:
    with pytest.raises(UserError, match="unknown cell 'lsmt': did you mean 'lstm'"):
        cell("lsmt", 3, 4)
    with pytest.raises(UserError, match="'lstm' has no option 'peephole': did you mean 'peepholes'"):
        cell("lstm", 3, 4, peephole="current")


def test_options_include_those_of_the_bases() -> None:
    assert {"reset", "bias", "orthogonal", "device", "dtype"} == set(cell_options(cells.GRU))
    assert list(cell_options(Own)) == ["leak"]


def test_a_name_is_given_once_and_to_cells_alone() -> None:
    register_cell("own")(Own)
    register_cell("own")(Own)
    for name in ("own", "gru"):
        with pytest.raises(ValueError, match="already"):
            register_cell(name)(cells.RNN)
    with pytest.raises(ValueError, match="not a subclass"):
        register_cell("other")(int)  # type: ignore[type-var]
