"""Weights as a native step reads them: in float32, bfloat16 or int8, laid out in panels."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from contextlib import suppress
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


def panels(weights: Sequence[Tensor]) -> list[Tensor]:
    """Matrices ``(outputs, inputs)``, each laid out in the order in which the kernel reads it: copies."""
    sizes = [-(-len(weight) // 16) * 16 * weight.shape[1] * weight.itemsize for weight in weights]
    sizes = [-(-size // 64) * 64 for size in sizes]  # each begins with a line of the cache
    places = _memory(sum(sizes)).split(sizes)
    for weight, place in zip(weights, places, strict=True):
        _kernel()(
            _Panels(
                columns=weight.shape[0],
                depth=weight.shape[1],
                weight=weight.data_ptr(),
                stride=weight.stride(0),
                format=FORMATS.index(weight.dtype),
                to=place.data_ptr(),
            )
        )
    return [place.view(weight.dtype) for weight, place in zip(weights, places, strict=True)]


_LARGE_PAGE = 1 << 21


def _memory(size: int) -> Tensor:
    """Bytes, on large pages where the system has them: a step reads all of its weights once, and to look up
    where pages of 4 KB lie took about a fifth of the time."""
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is None or size < _LARGE_PAGE:
        return torch.empty(size, dtype=torch.uint8, device="cpu")
    pages = mmap.mmap(-1, size + _LARGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without them
        pages.madvise(advice)
    memory = torch.frombuffer(pages, dtype=torch.uint8)
    begin = -memory.data_ptr() % _LARGE_PAGE
    return memory[begin : begin + size]


@cache
def _kernel() -> Any:
    return function("unrolled_step_pack", ctypes.POINTER(_Panels))
