"""Dropout (Srivastava et al. 2014). On a CPU torch's own draws number after number, on one thread."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.kernels.dropout import LIBRARY
from unrolled.nn import native

_SEEDS = 2**62


def dropout(inputs: Tensor, share: float, training: bool = True) -> Tensor:
    """``inputs``, of which when ``training`` a ``share`` is zero and the others divided by 1 − ``share``.

    What falls follows from torch's own generator (``torch.manual_seed``), whatever the threads.
    """
    if not training or share == 0:
        return inputs
    if not native.applies(inputs):
        return F.dropout(inputs, share)
    seed = int(torch.randint(_SEEDS, (), device="cpu"))
    made: Tensor = torch.ops.unrolled.dropout.default(inputs, share, seed)
    return made


def check_share(name: str, value: float) -> float:
    """A share to drop, as a number.

    Raises:
        UserError: it is below 0, or nothing would be left.
    """
    if not 0 <= value < 1:
        raise UserError(f"{name}={value}: it must be at least 0 and less than 1")
    return float(value)


class Dropout(nn.Dropout):
    """:func:`dropout` as a module."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, ctx.share, ctx.seed = inputs


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    return torch.ops.unrolled.dropout.default(grad, ctx.share, ctx.seed), None, None


torch.library.register_autograd("unrolled::dropout", _gradient, setup_context=_keep, lib=LIBRARY)
