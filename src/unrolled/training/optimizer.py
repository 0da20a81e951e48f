"""Optimizers by their recipe names, gradient clipping, and optimizer state as plain tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from unrolled.nn import Embedding
from unrolled.runs import TrainingSettings
from unrolled.tasks.task import RATE

LARGE_TABLE = 4096
"""Rows from which on an update of only those touched is worth finding out which they are."""


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer a recipe names, in its fused form (one pass over the weights an update).

    SGD with momentum μ is v ← μv + g, θ ← θ − ηv; Adam is Kingma & Ba 2015, algorithm 1; AdamW decouples the
    weight decay (Loshchilov & Hutter 2019, algorithm 2).

    Plain SGD leaves a weight whose gradient is zero as it is. So large embedding tables, of whose rows a
    batch touches few, then have gradients of these rows alone: the norm and the update cost what the batch
    costs, not what the vocabulary does, and are the same. Momentum, weight decay and Adam's moments move
    every row at every update, and a table tied to the projection has a gradient everywhere: there all rows
    are updated.
    """
    rates: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        rates.setdefault(getattr(parameter, RATE, 1.0), []).append(parameter)
    own = [{"params": group, RATE: rate} for rate, group in rates.items()]
    if settings.optimizer == "sgd":
        if not settings.momentum and not settings.weight_decay and _use_row_gradients(model):
            return torch.optim.SGD(own, lr=settings.learning_rate)
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


def _use_row_gradients(model: nn.Module) -> bool:
    """Ask large tables that have one user for gradients of the rows touched; whether there is one."""
    users = Counter(id(own) for module in model.modules() for own in module._parameters.values())
    found = False
    for module in model.modules():
        if isinstance(module, Embedding) and module.size >= LARGE_TABLE and users[id(module.weight)] == 1:
            found = module.row_gradients = module.weight.device.type == "cpu"
    return found


class Clipping(NamedTuple):
    """A gradient's length before anything was done to it, and whether something was (both scalars)."""

    norm: Tensor
    clipped: Tensor


def clip(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> Clipping:
    """Limit the gradients as the recipe says: each entry first, then the length over all weights together.

    Clipping by norm is Pascanu et al. 2013, algorithm 1: g ← g·(limit/‖g‖) where ‖g‖ exceeds the limit.
    """
    gradients = [_numbers(parameter) for parameter in parameters if parameter.grad is not None]
    length = norm = get_total_norm(gradients)
    clipped = torch.zeros((), dtype=torch.bool, device=norm.device)
    if settings.clip_value is not None:
        clipped = get_total_norm(gradients, norm_type=float("inf")) > settings.clip_value
        for gradient in gradients:
            gradient.clamp_(-settings.clip_value, settings.clip_value)
        length = get_total_norm(gradients)
    if settings.clip_norm is not None:
        clipped = clipped | (length > settings.clip_norm)
        torch._foreach_mul_(gradients, (settings.clip_norm / (length + 1e-6)).clamp(max=1.0))
    return Clipping(norm, clipped)


def _numbers(parameter: nn.Parameter) -> Tensor:
    """A gradient's memory: all of it, or the rows that it has, each once."""
    gradient = parameter.grad
    assert gradient is not None
    if not gradient.is_sparse:
        return gradient
    parameter.grad = gradient.coalesce()
    return parameter.grad._values()


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
    """Put back what :func:`optimizer_tensors` gave, laid out as the parameters are: fused optimizers go
    through both as they lie in memory, and a file does not keep how that is."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape and tensor.stride() != parameter.stride():
            tensor = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
