"""Weights as a native step reads them: in float32, bfloat16 or int8, laid out in panels."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.errors import UserError, nearest
from unrolled.kernels.library import function
from unrolled.kernels.structures import structure

_Panels = structure(
    "StepPanels",
    columns="size",
    depth="size",
    weight="pointer",
    stride="size",
    format="size",
    to="pointer",
)

FORMATS = (torch.float32, torch.bfloat16, torch.int8)
"""By the number that the kernels know them by."""


class Matrix(NamedTuple):
    """A weight ``(outputs, inputs)`` as the kernel reads it; int8 with ``scale (outputs)``."""

    weight: Tensor
    scale: Tensor | None = None

    @classmethod
    def of(cls, weight: Tensor, kind: str) -> Matrix:
        """As float32 it is shared, not copied. As int8 each row's greatest magnitude is 127.

        Raises:
            UserError: an unknown kind.
        """
        weight = weight.detach()
        if kind == "float32":
            return cls(weight if weight.stride(1) == 1 else weight.contiguous())
        if kind == "bfloat16":
            return cls(weight.to(torch.bfloat16).contiguous())
        if kind != "int8":
            raise UserError(f"weights {kind!r}: {nearest(kind, ('float32', 'bfloat16', 'int8'))}")
        scale = weight.abs().amax(1).clamp(min=1e-30) / 127
        return cls((weight / scale[:, None]).round().to(torch.int8).contiguous(), scale)

    def part(self, rows: slice = slice(None), columns: slice = slice(None)) -> Matrix:
        """Some of its rows and columns, shared."""
        return Matrix(self.weight[rows, columns], None if self.scale is None else self.scale[rows])


def panels(weight: Tensor) -> Tensor:
    """A matrix ``(outputs, inputs)`` laid out in the order in which the kernel reads it, a copy."""
    columns, depth = weight.shape
    packed = weight.new_empty(-(-columns // 16) * 16 * depth)
    _kernel()(
        _Panels(
            columns=columns,
            depth=depth,
            weight=weight.data_ptr(),
            stride=weight.stride(0),
            format=FORMATS.index(weight.dtype),
            to=packed.data_ptr(),
        )
    )
    return packed


@cache
def _kernel() -> Any:
    return function("unrolled_step_pack", ctypes.POINTER(_Panels))
