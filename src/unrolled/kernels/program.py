"""A list of operations on rows of numbers, run through time by the native interpreter."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.structures import pointer, structure


class Kind(IntEnum):
    """What an operation does; in the order of ``native/program.h``."""

    MULTIPLY_MATRIX = 0
    AFFINE = auto()
    SIGMOID = auto()
    TANH = auto()
    RELU = auto()
    EXP = auto()
    ABSOLUTE = auto()
    RECIPROCAL = auto()
    ADD_SCALED = auto()
    MULTIPLY = auto()
    DIVIDE = auto()
    GREATER = auto()
    LESSER = auto()
    NORMALIZE = auto()
    SOFTMAX = auto()
    NOTHING = auto()


_Quantity = structure("Quantity", data="pointer", time="size", row="size", group="size")
_Operation = structure(
    "Operation",
    kind="size",
    a="size",
    b="size",
    out="size",
    width="size",
    factor="double",
    term="double",
    matrix="pointer",
    matrix_row="size",
    matrix_column="size",
    depth="size",
    bias="pointer",
    accumulate="size",
    first_a="size",
    first_b="size",
)
_Program = structure(
    "Program",
    bytes="size",
    threads="size",
    steps="size",
    batch="size",
    reverse="size",
    backward="size",
    lengths="pointer",
    count="size",
    operations="pointer",
    quantities="pointer",
    gradients="pointer",
)


@dataclass(frozen=True)
class Place:
    """Where a quantity is: a tensor, and its strides from step to step, row to row and group to group."""

    tensor: Tensor
    time: int = 0
    row: int = 0
    group: int = 0


@dataclass(frozen=True)
class Operation:
    """One operation on quantities, by their numbers."""

    kind: Kind
    a: int
    b: int = -1
    out: int = -1
    width: int = 0
    factor: float = 1.0
    term: float = 0.0
    matrix: Tensor | None = None
    bias: Tensor | None = None
    accumulate: bool = False
    first_a: bool = False
    first_b: bool = False


def groups(batch: int) -> int:
    """Into how many parts the rows of a batch fall, each followed by one thread."""
    return max(1, min(torch.get_num_threads(), batch))


def run(
    operations: Sequence[Operation],
    quantities: Sequence[Place | None],
    gradients: Sequence[Place | None] | None,
    *,
    steps: int,
    batch: int,
    groups: int,
    lengths: Tensor | None,
    reverse: bool,
    like: Tensor,
) -> None:
    """Forward, or backward where there are ``gradients``; ``lengths``, int64, descend within each group."""
    listed = (_Operation * max(1, len(operations)))(*map(_listed, operations))
    arrays = [
        (_Quantity * max(1, len(places)))(
            *(
                _Quantity() if p is None else _Quantity(p.tensor.data_ptr(), p.time, p.row, p.group)
                for p in places
            )
        )
        for places in (quantities, gradients or ())
    ]
    _kernel()(
        _Program(
            like.element_size(),
            groups,
            steps,
            batch,
            reverse,
            gradients is not None,
            pointer(lengths),
            len(operations),
            ctypes.addressof(listed),
            *map(ctypes.addressof, arrays),
        )
    )


def _listed(o: Operation) -> Any:
    matrix = o.matrix
    row, column = matrix.stride() if matrix is not None else (0, 0)
    depth = 0 if matrix is None else matrix.shape[0]
    return _Operation(
        o.kind,
        o.a,
        o.b,
        o.out,
        o.width,
        o.factor,
        o.term,
        pointer(matrix),
        row,
        column,
        depth,
        pointer(o.bias),
        o.accumulate,
        o.first_a,
        o.first_b,
    )


@cache
def _kernel() -> Any:
    return function("unrolled_program", ctypes.POINTER(_Program))
