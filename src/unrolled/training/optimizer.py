"""Optimizers by their recipe names, gradient clipping, and optimizer state as plain tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm

from unrolled.runs import TrainingSettings


def build_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer a recipe names, in its fused form (one pass over the weights an update).

    SGD with momentum μ is v ← μv + g, θ ← θ − ηv; Adam is Kingma & Ba 2015, algorithm 1; AdamW decouples the
    weight decay (Loshchilov & Hutter 2019, algorithm 2).
    """
    own = list(parameters)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            own,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(
        own,
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        fused=True,
    )


class Clipping(NamedTuple):
    """A gradient's length before anything was done to it, and whether something was (both scalars)."""

    norm: Tensor
    clipped: Tensor


def clip(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> Clipping:
    """Limit the gradients as the recipe says: each entry first, then the length over all weights together.

    Clipping by norm is Pascanu et al. 2013, algorithm 1: g ← g·(limit/‖g‖) where ‖g‖ exceeds the limit.
    """
    own = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = [parameter.grad for parameter in own if parameter.grad is not None]
    length = norm = get_total_norm(gradients)
    clipped = torch.zeros((), dtype=torch.bool, device=norm.device)
    if settings.clip_value is not None:
        clipped = get_total_norm(gradients, norm_type=float("inf")) > settings.clip_value
        clip_grad_value_(own, settings.clip_value)
        length = get_total_norm(gradients)
    if settings.clip_norm is not None:
        clipped = clipped | (length > settings.clip_norm)
        clip_grads_with_norm_(own, settings.clip_norm, length)
    return Clipping(norm, clipped)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as ``"<parameter index>.<name>"``: tensor. Its settings are the recipe's."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, entries in state.items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
