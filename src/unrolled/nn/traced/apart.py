"""A twin of a cell, for a step to be watched on: it has all that the cell has, and changes nothing of it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.nn.cells import Cell
from unrolled.nn.substitute import substitute
from unrolled.nn.traced.operations import Untraceable

_OF_MODULES = frozenset(nn.Module().__dict__)
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)
_SHARED = (Tensor, FunctionType, ModuleType, type)
"""What is not copied: functions and classes; and tensors, whose changes are seen by who watches the step."""


def apart(cell: Cell, plain: Callable[[Tensor], Tensor]) -> tuple[Cell, Callable[[], bool]]:
    """A twin whose parameters are ``plain`` ones; and whether a step has changed it.

    Raises:
        Untraceable: the cell has hooks, or an attribute that cannot be copied and compared.
    """
    for module in cell.modules():
        hooks = (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
            module._backward_pre_hooks,
        )
        if any(hooks) or isinstance(module, torch.jit.ScriptModule):
            raise Untraceable("hooks")
    twin = substitute(cell, lambda name, parameter: plain(parameter))
    modules, shared = list(twin.modules()), dict[int, Any]()
    copies = _Reader(_dump(modules, shared), shared).load()
    for module, attributes in zip(modules, copies, strict=True):
        own = module.__dict__
        own.update({key: own[key].copy() for key in _OF_MODULES if type(own.get(key)) in (dict, set)})
        own.update(attributes)

    def content() -> tuple[Any, bytes]:
        return [_names(module) for module in modules], _dump(modules, shared)

    before = content()
    return twin, lambda: content() != before


def _names(module: nn.Module) -> list[Any]:
    """What each name of a module stands for."""
    found: list[Any] = []
    for key, value in module.__dict__.items():
        found.append((key, id(value)))
        if key in _OF_MODULES and isinstance(value, dict):
            found += [(k, id(v)) for k, v in value.items()]
    return found


def _dump(modules: list[nn.Module], shared: dict[int, Any]) -> bytes:
    """The attributes that could be changed in place, as bytes, however deep they are."""
    attributes = [
        {
            key: value
            for key, value in module.__dict__.items()
            if key not in _OF_MODULES and type(value) not in _PLAIN and not isinstance(value, _SHARED)
        }
        for module in modules
    ]
    file = io.BytesIO()
    try:
        _Writer(file, shared).dump(attributes)
    except Exception as error:
        raise Untraceable(f"an attribute that cannot be copied: {error}") from None
    return file.getvalue()


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: dict[int, Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.shared = shared

    def persistent_id(self, value: Any) -> int | None:
        """For what is shared, a number that stays its own, since the value is kept."""
        if type(value) in _PLAIN:
            return None
        if isinstance(value, nn.Module | Iterator):  # another way to the cell; a place that cannot be told
            raise Untraceable(f"an attribute with a {type(value).__name__}")
        owner = value.__self__ if isinstance(value, BuiltinFunctionType) else value
        if owner is not None and not isinstance(owner, _SHARED):
            return None
        self.shared[id(value)] = value
        return id(value)


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes, shared: dict[int, Any]) -> None:
        super().__init__(io.BytesIO(data))
        self.shared = shared

    def persistent_load(self, number: int) -> Any:
        return self.shared[number]
