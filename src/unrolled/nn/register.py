"""Cells by name: the built-in ones, those registered in this process, those that installed packages offer.

A recipe names a cell; a run never stores a path to code. A package offers a cell of its own through an entry
point of the group ``unrolled.cells``, whose name is the cell's and whose object is the class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from unrolled.errors import UserError, nearest
from unrolled.nn.cells import GRU, LSTM, RNN, Cell

C = TypeVar("C", bound=type[Cell])

_BUILT_IN: dict[str, type[Cell]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
_REGISTERED: dict[str, type[Cell]] = {}


def register_cell(name: str) -> Callable[[C], C]:
    """Make a cell known by ``name`` to layers and recipes, as a class decorator: ``@register_cell("mine")``.

    Raises:
        ValueError: another cell has this name, or what is decorated is no :class:`Cell`.
        TypeError: no name was given.
    """
    if not isinstance(name, str):
        raise TypeError('register_cell wants a name: write @register_cell("mine") above the class')

    def register(cell: C) -> C:
        if not (isinstance(cell, type) and issubclass(cell, Cell)):
            raise ValueError(f"register_cell({name!r}): {cell!r} is not a subclass of unrolled.nn.Cell")
        if name in _BUILT_IN or _REGISTERED.get(name, cell) is not cell:
            raise ValueError(f"a cell named {name!r} is registered already")
        _REGISTERED[name] = cell
        return cell

    return register


def cell_names() -> list[str]:
    """The names a recipe can use."""
    return sorted({*_BUILT_IN, *_REGISTERED, *entry_points(group="unrolled.cells").names})


def find_cell(name: str) -> type[Cell]:
    """The cell of that name.

    Raises:
        UserError: no such cell, with the nearest known name; or an entry point that is no cell.
    """
    found = _BUILT_IN.get(name) or _REGISTERED.get(name)
    if found is not None:
        return found
    for entry in entry_points(group="unrolled.cells", name=name):
        cell = entry.load()
        if not (isinstance(cell, type) and issubclass(cell, Cell)):
            raise UserError(f"cell {name!r}: {entry.value} is not a subclass of unrolled.nn.Cell")
        return cell
    raise UserError(
        f"unknown cell {name!r}: {nearest(name, cell_names())}; one of your own is registered in Python, or"
        " offered by an installed package under the entry point group unrolled.cells"
    )


def cell(kind: str | type[Cell], input_size: int, hidden_size: int, **options: Any) -> Cell:
    """A cell by name (or class), with fresh weights.

    Raises:
        UserError: an unknown name, no cell at all, or an option that this cell does not have.
    """
    found = find_cell(kind) if isinstance(kind, str) else kind
    if not (isinstance(found, type) and issubclass(found, Cell)):
        raise UserError(f"cell {found!r}: give a cell's name, or a subclass of unrolled.nn.Cell")
    known = cell_options(found)
    for option in options:
        if option not in known:
            name = kind if isinstance(kind, str) else kind.__name__
            raise UserError(f"cell {name!r} has no option {option!r}: {nearest(option, known)}")
    return found(input_size, hidden_size, **options)


def cell_options(kind: type[Cell]) -> dict[str, Any]:
    """The keyword options of a cell and their defaults (None: it has none), those of its bases included where
    it hands ``**options`` on."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        for each in parameters:
            if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD):
                found.setdefault(each.name, None if each.default is each.empty else each.default)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return {name: value for name, value in found.items() if name not in ("input_size", "hidden_size")}
