"""Text as ids on disk, in blocks of whole sentences; of a corpus of any size only a block is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64
from numpy.typing import NDArray

from unrolled.text import IdStore, StoreWriter

LONGEST = 10_000
"""Words of a sentence; longer ones are cut, so that a book in one line is not one block."""


class Sentences(NamedTuple):
    """A block of text: sentence s is ``ids[bounds[s]:bounds[s + 1]]``."""

    ids: Int32[np.ndarray, " words"]
    bounds: Int64[np.ndarray, " sentences+1"]
    position: int
    """Words of the text before it."""


class Corpus:
    """A text's sentences, and how often each word stands in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def write(cls, folder: Path, rows: Iterable[NDArray[np.integer]], words: int) -> Corpus:
        """Keep sentences of ids below ``words``; empty ones are left out."""
        counts = np.zeros(words, dtype=np.int64)
        with StoreWriter(folder / "text", words) as writer:
            for row in rows:
                np.add.at(counts, row, 1)
                writer.add([row[i : i + LONGEST] for i in range(0, len(row), LONGEST)])
        np.save(folder / "counts.npy", counts)
        return cls(folder)

    @cached_property
    def counts(self) -> Int64[np.ndarray, " words"]:
        """How often each word occurs."""
        counts: NDArray[np.int64] = np.load(self.folder / "counts.npy")
        return counts

    @cached_property
    def total(self) -> int:
        """Words there are."""
        return int(self.counts.sum())

    def block(self, index: int, size: int) -> Sentences:
        """The sentences that begin in the ``index``-th ``size`` words; their ids are copied."""
        # Opened each time: what is mapped counts as memory until it is closed.
        store = IdStore.open(self.folder / "text")
        first, last = np.searchsorted(store.offsets[:-1], np.array([index, index + 1]) * size).tolist()
        bounds = np.array(store.offsets[first : last + 1])
        ids = store.ids[bounds[0] : bounds[-1]].astype(np.int32)
        return Sentences(ids, bounds - bounds[0], int(bounds[0]))

    def block_count(self, size: int) -> int:
        """How many blocks of that size there are."""
        return -(-self.total // size)

    def blocks(self, size: int) -> Iterator[Sentences]:
        """All of them in order."""
        return (self.block(index, size) for index in range(self.block_count(size)))
