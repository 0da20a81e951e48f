"""A module with other tensors in the place of its parameters, the module itself untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def substitute(module: M, replace: Callable[[str, Tensor], Tensor]) -> M:
    """A shallow copy of ``module`` and its parts that reads ``replace(name, parameter)`` for each parameter.

    Everything else (buffers, hooks, options) is shared. Gradients reach the parameters through what is read.
    ``torch.func.functional_call`` does the like for one call, by changing the module meanwhile.
    """
    return _copy(module, replace, "")


def _copy(module: M, replace: Callable[[str, Tensor], Tensor], prefix: str) -> M:
    copy = object.__new__(type(module))
    copy.__dict__.update(module.__dict__)
    copy.__dict__["_parameters"] = {
        name: None if parameter is None else replace(prefix + name, parameter)
        for name, parameter in module._parameters.items()
    }
    copy.__dict__["_modules"] = {
        name: None if part is None else _copy(part, replace, f"{prefix}{name}.")
        for name, part in module._modules.items()
    }
    return copy
