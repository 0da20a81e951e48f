"""Dropout as a torch operator: ``unrolled::dropout``, whose mask follows from a seed and is never kept."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.operators import LIBRARY
from unrolled.kernels.structures import structure

_Dropout = structure(
    "Dropout",
    bytes="size",
    threads="size",
    size="size",
    seed="size",
    kept="size",
    scale="double",
    inputs="pointer",
    outputs="pointer",
)


@cache
def _kernel() -> Any:
    return function("unrolled_dropout", ctypes.POINTER(_Dropout))


def dropout(inputs: Tensor, share: float, seed: int) -> Tensor:
    """``inputs``, of which a ``share`` is zero and the others divided by 1 − ``share``.

    Philox4x32-10 with the key ``seed`` says which (Salmon et al. 2011): a number for each place.
    """
    given, made = inputs.contiguous(), _shape(inputs, share, seed)
    _kernel()(
        _Dropout(
            bytes=given.element_size(),
            threads=torch.get_num_threads(),
            size=given.numel(),
            seed=seed,
            kept=min(round((1 - share) * 2**32), 2**32 - 1),
            scale=1 / (1 - share) if share < 1 else 0.0,
            inputs=given.data_ptr(),
            outputs=made.data_ptr(),
        )
    )
    return made


def _shape(inputs: Tensor, share: float, seed: int) -> Tensor:
    return torch.empty_like(inputs, memory_format=torch.contiguous_format)


LIBRARY.define("dropout(Tensor inputs, float share, int seed) -> Tensor")
LIBRARY.impl("dropout", dropout, "CPU")
torch.library.register_fake("unrolled::dropout", _shape, lib=LIBRARY)
