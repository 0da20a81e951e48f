"""A language model's text: one long stream, read in windows that continue each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from unrolled.errors import UserError


class Window(NamedTuple):
    """Some steps of every column; the state after it is the state before the next window."""

    inputs: Int[np.ndarray, "time batch"]
    targets: Int[np.ndarray, "time batch"]


class Windows(Sequence[Window]):
    """The windows of one epoch; each is read from the (memory-mapped) stream when asked for."""

    def __init__(
        self,
        ids: NDArray[np.integer],
        batch: int,
        borders: NDArray[np.int64],
        context: int,
    ) -> None:
        self._ids = ids
        self._borders = borders
        self._context = context
        self._columns = np.arange(batch) * int(borders[-1])

    def __len__(self) -> int:
        return len(self._borders) - 1

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...
    def __getitem__(self, index: int | slice) -> Window | list[Window]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        index %= len(self)
        start, stop = self._borders[index : index + 2]
        # One step more than the window: each target is the next step's input.
        steps = np.arange(start - 1, stop)[:, None] + self._columns
        ids = self._ids[np.maximum(steps, 0)].astype(np.int64)
        if start == 0:
            ids[0, 0] = self._context
        return Window(ids[:-1], ids[1:])

    @property
    def predictions(self) -> int:
        """How many targets an epoch has."""
        return int(self._borders[-1]) * len(self._columns)


def stream_windows(
    ids: NDArray[np.integer],
    *,
    batch: int,
    length: int,
    context: int,
    jitter: float = 0.0,
    seed: int = 0,
    epoch: int = 0,
) -> Windows:
    """Cut a stream into ``batch`` columns of equal length, and these into windows that follow each other.

    Column ``b`` continues where column ``b - 1`` ends, so the first input of each is the true token before
    it; that of the whole stream is ``context``. Every token is a target once, but for up to ``batch - 1`` at
    the end that fill no row: with ``batch = 1`` none is left out.

    Args:
        ids: (tokens,), such as an id store's ``ids``.
        length: steps a window; the last one may be shorter.
        context: the id that stands before the stream (eos).
        jitter: standard deviation of the window length, in steps; one window in twenty is about half as long
            (Merity et al. 2018, section 5). Depends on (seed, epoch) alone.

    Raises:
        UserError: fewer tokens than columns.
    """
    steps = len(ids) // batch
    if not steps:
        raise UserError(
            f"a text of {len(ids)} tokens cannot fill {batch} columns: give more text, or fewer columns"
        )
    if jitter:
        borders = _jittered(steps, length, jitter, np.random.default_rng((seed, epoch)))
    else:
        borders = np.append(np.arange(0, steps, length), steps)
    return Windows(ids, batch, borders, context)


def _jittered(steps: int, length: int, jitter: float, random: np.random.Generator) -> NDArray[np.int64]:
    drawn: list[NDArray[np.int64]] = []
    total = 0
    while total < steps:
        mean = np.where(random.random(1024) < 0.95, length, length / 2)
        lengths = np.maximum(np.rint(random.normal(mean, jitter)).astype(np.int64), min(5, length))
        drawn.append(lengths)
        total += int(lengths.sum())
    ends = np.cumsum(np.concatenate(drawn))
    return np.concatenate([[0], ends[ends < steps], [steps]])
