"""A deep cell through time, one cell after another."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.nn.attentive import Stacked
from unrolled.nn.cells import Cell, State
from unrolled.nn.dropout import dropout
from unrolled.nn.unroll import Unrolled, unroll


def unroll_levels(
    cell: Cell,
    inputs: Float[Tensor, "time batch input"],
    state: State,
    *,
    lengths: Int[Tensor, " batch"] | None = None,
    memory: Any = None,
) -> Unrolled:
    """:func:`~unrolled.nn.unroll.unroll`, of a deep cell one cell after another.

    A cell's input is then projected for all steps at once, and each runs on the fastest path it has.
    """
    if not isinstance(cell, Stacked):
        return unroll(cell, inputs, state, lengths=lengths, memory=memory)
    finals: list[Tensor] = []
    constants = memory or [None] * len(cell.cells)
    for each, before, constant in zip(cell.cells, cell.split(state), constants, strict=True):
        if finals:
            inputs = dropout(inputs, cell.dropout, cell.training)
        inputs, final = unroll(each, inputs, before, lengths=lengths, memory=constant)
        finals += final
    return Unrolled(inputs, tuple(finals))
