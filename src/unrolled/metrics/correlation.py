"""Spearman's rank correlation: whether two judgements put things in the same order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.errors import UserError
from unrolled.metrics.score import Score, signature
from unrolled.metrics.tally import Counts, Tally, ratio


def spearman(ours: Sequence[float], theirs: Sequence[float], *, name: str = "Spearman") -> Score:
    """100 ρ: the correlation of ranks; equal values share the mean of their ranks.

    The interval draws pairs with the ranks they have among all.

    Raises:
        UserError: unequal numbers, or fewer than two.
    """
    if len(ours) != len(theirs) or len(ours) < 2:
        raise UserError(f"{len(ours)} and {len(theirs)} judgements: two or more of each are wanted")
    x, y = (_ranks(values) - (len(ours) - 1) / 2 for values in (ours, theirs))
    tally = Tally(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), _correlation)
    value = float(_correlation(tally.total()))
    return Score(name, value, signature=signature(name, pairs=len(ours)), tally=tally)


def _ranks(values: ArrayLike) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]


def _correlation(sums: Counts) -> Counts:
    """100 · (nΣxy − ΣxΣy) / √((nΣx² − (Σx)²)(nΣy² − (Σy)²)), 0 where one side is constant."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
    return 100.0 * ratio(n * xy - x * y, np.sqrt(spread))
