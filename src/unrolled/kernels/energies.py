"""The additive score of many queries as torch operators: ``unrolled::energies`` and its backward."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.operators import LIBRARY
from unrolled.kernels.structures import structure

_Energies = structure(
    "Energies",
    bytes="size",
    threads="size",
    batch="size",
    queries="size",
    source="size",
    size="size",
    asked="pointer",
    keys="pointer",
    weight="pointer",
    energies="pointer",
    grads="pointer",
    grad_asked="pointer",
    grad_keys="pointer",
    grad_weight="pointer",
)


@cache
def _kernel(name: str) -> Any:
    return function(f"unrolled_energies_{name}", ctypes.POINTER(_Energies))


def _run(name: str, **tensors: Tensor) -> None:
    asked, keys = tensors["asked"], tensors["keys"]
    batch, queries, size = asked.shape
    work = asked.numel() * keys.shape[1]
    _kernel(name)(
        _Energies(
            bytes=asked.element_size(),
            threads=torch.get_num_threads() if work > 50_000 else 1,
            batch=batch,
            queries=queries,
            source=keys.shape[1],
            size=size,
            **{key: value.data_ptr() for key, value in tensors.items()},
        )
    )


def energies(asked: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    """weight · tanh(``asked (batch, queries, size)`` + ``keys (batch, source, size)``): ``(batch, queries,
    source)``."""
    made = _shape(asked, keys, weight)
    _run(
        "forward", asked=asked.contiguous(), keys=keys.contiguous(), weight=weight.contiguous(), energies=made
    )
    return made


def _shape(asked: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
    return asked.new_empty(*asked.shape[:2], keys.shape[1])


def energies_backward(
    grads: Tensor, asked: Tensor, keys: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of ``asked``, ``keys`` and ``weight``; tanh is made anew."""
    made = [torch.zeros_like(part, memory_format=torch.contiguous_format) for part in (asked, keys, weight)]
    _run(
        "backward",
        asked=asked.contiguous(),
        keys=keys.contiguous(),
        weight=weight.contiguous(),
        grads=grads.contiguous(),
        grad_asked=made[0],
        grad_keys=made[1],
        grad_weight=made[2],
    )
    return made[0], made[1], made[2]


def _backward_shapes(
    grads: Tensor, asked: Tensor, keys: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    like = [part.new_empty(part.shape) for part in (asked, keys, weight)]
    return like[0], like[1], like[2]


LIBRARY.define("energies(Tensor asked, Tensor keys, Tensor weight) -> Tensor")
LIBRARY.define(
    "energies_backward(Tensor grads, Tensor asked, Tensor keys, Tensor weight) -> (Tensor, Tensor, Tensor)"
)
LIBRARY.impl("energies", energies, "CPU")
LIBRARY.impl("energies_backward", energies_backward, "CPU")
torch.library.register_fake("unrolled::energies", _shape, lib=LIBRARY)
torch.library.register_fake("unrolled::energies_backward", _backward_shapes, lib=LIBRARY)
