"""A module with other tensors in the place of its parameters, the module itself untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def substitute(module: M, replace: Callable[[str, Tensor], Tensor]) -> M:
    """A shallow copy of ``module`` and its parts that reads ``replace(name, parameter)`` for each parameter.

    Everything else (buffers, hooks, options) is shared, and a part that stands in two places stays one part.
    Gradients reach the parameters through what is read.
    ``torch.func.functional_call`` does the like for one call, by changing the module meanwhile.
    """
    return _copy(module, replace, "", {})


def _copy(
    module: M, replace: Callable[[str, Tensor], Tensor], prefix: str, copies: dict[nn.Module, nn.Module]
) -> M:
    if module in copies:
        return copies[module]  # type: ignore[return-value]
    copy = copies[module] = object.__new__(type(module))
    copy.__dict__.update(module.__dict__)
    copy.__dict__["_parameters"] = {
        name: None if parameter is None else replace(prefix + name, parameter)
        for name, parameter in module._parameters.items()
    }
    copy.__dict__["_modules"] = {
        name: None if part is None else _copy(part, replace, f"{prefix}{name}.", copies)
        for name, part in module._modules.items()
    }
    return copy


def take_back(module: nn.Module, copy: nn.Module, plain: Callable[[Any], Any]) -> None:
    """What a copy's parts have set on themselves (a counter), as ``plain`` gives it, set on ``module``'s."""
    for own, other in zip(module.modules(), copy.modules(), strict=False):
        for name, value in other.__dict__.items():
            if name not in ("_parameters", "_modules") and own.__dict__.get(name, own) is not value:
                own.__dict__[name] = plain(value)
