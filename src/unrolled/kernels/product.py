"""Matrix products by the native kernels."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.structures import pointer, structure

_Product = structure(
    "Product",
    rows="size",
    columns="size",
    depth="size",
    a="pointer",
    a_row="size",
    a_column="size",
    b="pointer",
    b_row="size",
    b_column="size",
    c="pointer",
    c_row="size",
    bias="pointer",
    accumulate="size",
    bytes="size",
    threads="size",
    packed="pointer",
)


@cache
def _kernel(name: str = "unrolled_product") -> Any:
    return function(name, ctypes.POINTER(_Product))


class Packed:
    """A right operand ``(depth, columns)`` as it is now, laid out for many products: worth it where they have
    few rows."""

    def __init__(self, matrix: Tensor) -> None:
        self.shape = matrix.shape
        depth, columns = matrix.shape
        self.numbers = matrix.new_empty(depth * -(-columns // _WIDEST) * _WIDEST)
        _kernel("unrolled_product_pack")(
            _Product(
                columns=columns,
                depth=depth,
                b=matrix.data_ptr(),
                b_row=matrix.stride(0),
                b_column=matrix.stride(1),
                bytes=matrix.element_size(),
                packed=self.numbers.data_ptr(),
            )
        )


_WIDEST = 16
"""Numbers in a vector at most: a packed operand's columns are whole vectors."""


def product(
    a: Tensor, b: Tensor | Packed, *, bias: Tensor | None = None, out: Tensor, accumulate: bool = False
) -> Tensor:
    """``out = a @ b (+ bias)``, or added to it: ``a (rows, depth)``, ``b (depth, columns)``, ``bias
    (columns,)``, ``out`` with contiguous rows; any strides else. No autograd; shapes are not looked at."""
    (rows, depth), columns = a.shape, b.shape[1]
    if rows and columns and depth:
        bias = None if bias is None else bias.contiguous()
        matrix, packed = (None, b.numbers.data_ptr()) if isinstance(b, Packed) else (b, None)
        _kernel()(
            _Product(
                rows,
                columns,
                depth,
                a.data_ptr(),
                a.stride(0),
                a.stride(1),
                pointer(matrix),
                *(matrix.stride() if matrix is not None else (0, 0)),
                out.data_ptr(),
                out.stride(0),
                pointer(bias),
                accumulate,
                out.element_size(),
                torch.get_num_threads(),
                packed,
            )
        )
    elif not accumulate:
        out.zero_()
        if bias is not None:
            out += bias
    return out
