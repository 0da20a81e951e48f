"""Which rows go together into a batch, and how rows become a rectangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike, NDArray


class Padded(NamedTuple):
    """Rows of ids as a time-major rectangle."""

    ids: Int[np.ndarray, "time batch"]
    lengths: Int[np.ndarray, " batch"]


def plan(
    lengths: ArrayLike, *, tokens: int | None = None, sentences: int | None = None, seed: int, epoch: int
) -> list[NDArray[np.int32]]:
    """The batches of one epoch: row numbers, each in exactly one batch.

    Rows of about the same length stand together, so that little is padding; which of them, and the order of
    the batches, is drawn from (seed, epoch) alone.

    Args:
        lengths: (rows,), or (rows, sides) such as source and target lengths.
        tokens: most positions, padding included, of a batch's larger side; a longer row is a batch by itself.
        sentences: most rows a batch; give exactly one of the two.

    Raises:
        ValueError: both limits are given, or neither, or one below 1.
    """
    limit = tokens if tokens is not None else sentences
    if (tokens is None) == (sentences is None) or limit is None or limit < 1:
        raise ValueError("give one of tokens and sentences, at least 1")
    sides = np.asarray(lengths, dtype=np.int64)
    if len(sides) == 0:
        return []
    sides = sides.reshape(len(sides), -1)
    random = np.random.default_rng((seed, epoch))
    # Sorted by the last side and, among equal ones, by the first: rising, then falling, so that it never
    # jumps. Ties stand in random order.
    shuffled = random.permutation(len(sides))
    first, last = sides[shuffled, 0], sides[shuffled, -1]
    order = shuffled[np.lexsort((np.where(last % 2, -first, first), last))]
    longest = np.maximum(sides[order].max(axis=1), 1)
    batches = []
    start = 0
    while start < len(order):
        if sentences is not None:
            stop = start + sentences
        else:
            # Cost grows with every row: the first that does not fit ends the batch.
            reach = longest[start : start + limit // longest[start]]
            cost = np.maximum.accumulate(reach) * np.arange(1, len(reach) + 1)
            stop = start + max(1, int(np.searchsorted(cost, limit, side="right")))
        batches.append(order[start:stop].astype(np.int32))
        start = stop
    return [batches[i] for i in random.permutation(len(batches))]


def pad(rows: Sequence[ArrayLike], value: int, *, begin: int | None = None, end: int | None = None) -> Padded:
    """Rows side by side, as columns, filled up with ``value``.

    Args:
        begin, end: ids to put before and after each row (bos, eos); counted in its length.
    """
    pieces = [np.asarray(row) for row in rows]
    before, after = int(begin is not None), int(end is not None)
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64) + before + after
    ids = np.full((len(pieces), int(lengths.max(initial=0))), value, dtype=np.int64)
    steps = np.arange(ids.shape[1])
    inside = (steps >= before) & (steps < (lengths - after)[:, None])
    if pieces:
        ids[inside] = np.concatenate(pieces)
        if begin is not None:
            ids[:, 0] = begin
        if end is not None:
            ids[np.arange(len(pieces)), lengths - 1] = end
    return Padded(np.ascontiguousarray(ids.T), lengths)
