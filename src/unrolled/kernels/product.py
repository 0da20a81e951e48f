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
)


@cache
def _kernel() -> Any:
    return function("unrolled_product", ctypes.POINTER(_Product))


def product(
    a: Tensor, b: Tensor, *, bias: Tensor | None = None, out: Tensor, accumulate: bool = False
) -> Tensor:
    """``out = a @ b (+ bias)``, or added to it: ``a (rows, depth)``, ``b (depth, columns)``, ``out`` with
    contiguous rows; any strides else. No autograd."""
    (rows, depth), columns = a.shape, b.shape[1]
    if rows and columns and depth:
        _kernel()(
            _Product(
                rows,
                columns,
                depth,
                a.data_ptr(),
                a.stride(0),
                a.stride(1),
                b.data_ptr(),
                b.stride(0),
                b.stride(1),
                out.data_ptr(),
                out.stride(0),
                pointer(bias),
                accumulate,
                out.element_size(),
                torch.get_num_threads(),
            )
        )
    elif not accumulate:
        out.zero_()
        if bias is not None:
            out += bias
    return out
