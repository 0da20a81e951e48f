"""Which words meet how often: a symmetric co-occurrence matrix, counted and shuffled within a given memory.

Counting fills a hash table and writes it out, sorted, whenever it is full. These runs are added up a range
of keys at a time, and each entry goes, in both directions, to a block that a hash of it names: reading the
blocks in order is reading the matrix in random order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt64

from unrolled import kernels
from unrolled.embeddings.glove import Entries
from unrolled.embeddings.noise import draw
from unrolled.kernels.embeddings import PairTable

_ENTRY = np.dtype([("row", np.int32), ("column", np.int32), ("count", np.float32)])
_LOW = np.uint64(2**32 - 1)

Run = tuple[UInt64[np.ndarray, " pairs"], Float64[np.ndarray, " pairs"]]
Block = tuple[Int32[np.ndarray, " words"], Int64[np.ndarray, " sentences+1"]]


class Table(Protocol):
    """:class:`~unrolled.kernels.embeddings.PairTable`, or what stands for it."""

    def __len__(self) -> int: ...
    def add(self, ids: np.ndarray, bounds: np.ndarray, position: int, window: int) -> int: ...
    def take(self) -> Run: ...


class ReferenceTable:
    """A :class:`Table` in Python, for ``capacity`` pairs."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._counts: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, ids: np.ndarray, bounds: np.ndarray, position: int, window: int) -> int:
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            for place in range(max(first, position), last):
                if len(self) + window > self._capacity:
                    return place
                word = int(ids[place])
                for before in range(max(first, place - window), place):
                    other = int(ids[before])
                    key = min(word, other) << 32 | max(word, other)
                    weight = (2 if word == other else 1) / (place - before)
                    self._counts[key] = self._counts.get(key, 0.0) + weight
        return int(bounds[-1])

    def take(self) -> Run:
        keys = sorted(self._counts)
        values = [self._counts[key] for key in keys]
        self._counts.clear()
        return np.array(keys, dtype=np.uint64), np.array(values, dtype=np.float64)


def make_table(megabytes: int) -> Table:
    """A table of that size."""
    return ReferenceTable((megabytes << 20) // 128) if kernels.load() is None else PairTable(megabytes)


def count_pairs(
    blocks: Iterable[Block],
    folder: Path,
    table: Table,
    *,
    window: int,
    merge_pairs: int,
    block_entries: int,
    progress: Callable[[int], None] = lambda words: None,
) -> int:
    """Count a text's pairs into ``folder``: ``entries.bin``, and ``blocks.npy``, where each block begins.

    Two words of a sentence that are d ≤ ``window`` apart add 1/d to both their entries (Pennington et al.
    2014, section 4.2).

    Args:
        blocks: sentence s of a block is ``ids[bounds[s]:bounds[s + 1]]``.
        table: to count in.
        merge_pairs: pairs in memory while runs are added up.
        block_entries: about how many entries a block has.
        progress: called with the number of words counted so far.

    Returns:
        how many entries there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    runs: list[Path] = []

    def spill() -> None:
        runs.append(folder / f"run{len(runs)}")
        for part, values in zip(_parts(runs[-1]), table.take(), strict=True):
            np.save(part, values)

    words = 0
    for ids, bounds in blocks:
        position = int(bounds[0])
        while (position := table.add(ids, bounds, position, window)) < bounds[-1]:
            spill()
        words += int(bounds[-1] - bounds[0])
        progress(words)
    if len(table):
        spill()
    total = _deal(runs, folder, merge_pairs, block_entries)
    for run in runs:
        for part in _parts(run):
            part.unlink()
    return total


def _parts(run: Path) -> tuple[Path, Path]:
    return run.with_suffix(".keys.npy"), run.with_suffix(".values.npy")


def _merged(runs: list[Path], merge_pairs: int) -> Iterator[Run]:
    """The sum of sorted runs, a range of keys at a time."""
    opened = [[np.load(part, mmap_mode="r") for part in _parts(run)] for run in runs]
    fair = max(1, merge_pairs // max(1, len(runs)))
    starts = [0] * len(runs)
    while any(start < len(keys) for start, (keys, _) in zip(starts, opened, strict=True)):
        # As far as its share of the memory reaches in every run; past the last key where all of them end.
        reach = zip(starts, opened, strict=True)
        ends = [keys[start + fair] for start, (keys, _) in reach if start + fair < len(keys)]
        stops = [int(np.searchsorted(keys, min(ends))) if ends else len(keys) for keys, _ in opened]
        spans = list(zip(opened, map(slice, starts, stops), strict=True))
        keys = np.concatenate([each[span] for (each, _), span in spans])
        values = np.concatenate([each[span] for (_, each), span in spans])
        starts = stops
        distinct, where = np.unique(keys, return_inverse=True)
        yield distinct, np.bincount(where, weights=values, minlength=len(distinct))


def _deal(runs: list[Path], folder: Path, merge_pairs: int, block_entries: int) -> int:
    """Deal the entries to blocks, all in one file: first it is counted how many each gets."""
    most = 2 * sum(len(np.load(_parts(run)[0], mmap_mode="r")) for run in runs)
    blocks = max(1, -(-most // block_entries))
    sizes = np.zeros(blocks, dtype=np.int64)
    for pairs in _merged(runs, merge_pairs):
        sizes += np.bincount(_dealt(*pairs, blocks)[1], minlength=blocks)
    begin = np.concatenate([[0], np.cumsum(sizes)])
    there = begin[:-1].copy()
    with (folder / "entries.bin").open("wb") as file:
        for pairs in _merged(runs, merge_pairs):
            entries, block = _dealt(*pairs, blocks)
            entries = entries[np.argsort(block, kind="stable")]
            counts = np.bincount(block, minlength=blocks)
            ends = np.cumsum(counts)
            for each in np.flatnonzero(counts):
                file.seek(int(there[each]) * _ENTRY.itemsize)
                file.write(entries[ends[each] - counts[each] : ends[each]].tobytes())
            there += counts
    np.save(folder / "blocks.npy", begin)
    return int(begin[-1])


def _dealt(
    keys: UInt64[np.ndarray, " pairs"], values: Float64[np.ndarray, " pairs"], blocks: int
) -> tuple[np.ndarray, np.ndarray]:
    """The entries (i, j), and (j, i) where these differ, and the block of each."""
    small, large = (keys >> np.uint64(32)).astype(np.int32), (keys & _LOW).astype(np.int32)
    mirrored = small != large
    entries = np.empty(len(keys) + int(mirrored.sum()), dtype=_ENTRY)
    entries["row"] = np.concatenate([small, large[mirrored]])
    entries["column"] = np.concatenate([large, small[mirrored]])
    entries["count"] = np.concatenate([values, values[mirrored]])
    bits = np.concatenate([draw(0, keys, 0), draw(1, keys[mirrored], 0)])
    return entries, (bits % np.uint64(blocks)).astype(np.int64)


def block_sizes(folder: Path) -> Int64[np.ndarray, " blocks"]:
    """How many entries each block has."""
    return np.diff(np.load(folder / "blocks.npy"))


def read_block(folder: Path, block: int, seed: Sequence[int]) -> Entries:
    """The entries of a block, in an order drawn from ``seed``."""
    begin = np.load(folder / "blocks.npy", mmap_mode="r")
    count = int(begin[block + 1] - begin[block])
    entries = np.fromfile(folder / "entries.bin", _ENTRY, count, offset=int(begin[block]) * _ENTRY.itemsize)
    entries = entries[np.random.default_rng((*seed, block)).permutation(count)]
    return Entries(*(np.ascontiguousarray(entries[name]) for name in ("row", "column", "count")))
