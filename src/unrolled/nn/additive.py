"""The additive score without its batch × queries × source × size numbers in memory, where kernels apply."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from unrolled.kernels.energies import LIBRARY
from unrolled.nn import native
from unrolled.nn.graph import apart


def energies(
    asked: Float[Tensor, "batch queries size"],
    keys: Float[Tensor, "batch source size"],
    weight: Float[Tensor, "1 size"],
) -> Float[Tensor, "batch queries source"]:
    """vᵀ tanh(asked + keys), v in ``weight``."""
    fit = len(asked) == len(keys) and asked.shape[2] == keys.shape[2] == weight.numel()
    if fit and asked.numel() and keys.numel() and native.applies(asked, keys, weight):
        answer: Tensor = torch.ops.unrolled.energies.default(asked, keys, weight)
        return answer
    return _reference(asked, keys, weight)


def _reference(asked: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    hidden = torch.tanh(asked[:, :, None] + keys[:, None])  # tanh(W s + U a)
    return F.linear(hidden, weight).squeeze(-1)  # vᵀ tanh(W s + U a)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    if not torch.is_grad_enabled():
        found = torch.ops.unrolled.energies_backward.default(grad, *saved)
        return tuple(part if need else None for part, need in zip(found, ctx.needs_input_grad, strict=True))
    saved = apart(saved)
    wanted = [part for part, need in zip(saved, ctx.needs_input_grad, strict=True) if need]
    answers = iter(torch.autograd.grad(_reference(*saved), wanted, grad, create_graph=True))
    return tuple(next(answers) if need else None for need in ctx.needs_input_grad)


torch.library.register_autograd("unrolled::energies", _gradient, setup_context=_keep, lib=LIBRARY)
