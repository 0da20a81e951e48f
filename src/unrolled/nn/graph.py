"""A kernel's gradient as a graph of its own, for a gradient of the gradient: by plain PyTorch, made again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor

T = TypeVar("T", bound=Tensor | None)


def apart(tensors: Iterable[T]) -> list[T]:
    """The same tensors as nodes of their own in the graph, none of which depends on another: so that a
    gradient by one of them is by it alone, whatever the others were made from."""
    return [cast("T", None if tensor is None else tensor.view_as(tensor)) for tensor in tensors]


def gradient_graph(
    outputs: Sequence[Tensor], grads: Sequence[Tensor | None], inputs: dict[str, Tensor | None]
) -> dict[str, Tensor | None]:
    """The gradient of some inputs, itself differentiable; ``grads`` are those of the outputs."""
    pairs = [(o, g) for o, g in zip(outputs, grads, strict=False) if g is not None and o.requires_grad]
    there = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    found = torch.autograd.grad(
        [o for o, _ in pairs],
        list(there.values()),
        [g for _, g in pairs],
        create_graph=True,
        allow_unused=True,
    )
    return dict(zip(there, found, strict=True))
