from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from unrolled import kernels
from unrolled.embeddings.pairs import ReferenceTable, block_sizes, count_pairs, read_block
from unrolled.kernels.embeddings import PairTable

WORDS, WINDOW = 60, 4
native = pytest.mark.skipif(kernels.load() is None, reason="the native kernels are not built")


def text(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(seed)
    blocks = []
    for _ in range(3):
        bounds = np.concatenate([[0], np.cumsum(random.integers(0, 30, 20))]).astype(np.int64)
        blocks.append((random.integers(0, WORDS, bounds[-1]).astype(np.int32), bounds))
    return blocks


def expected(blocks: list[tuple[np.ndarray, np.ndarray]]) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = defaultdict(float)
    for ids, bounds in blocks:
        for first, last in itertools.pairwise(bounds):
            for i in range(first, last):
                for j in range(max(first, i - WINDOW), i):
                    found[int(ids[i]), int(ids[j])] += 1 / (i - j)
                    found[int(ids[j]), int(ids[i])] += 1 / (i - j)
    return found


TABLES = {
    "one run": lambda: ReferenceTable(10_000),
    "many runs": lambda: ReferenceTable(100),
    "native": lambda: PairTable(1),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("table", [pytest.param(n, marks=native) if n == "native" else n for n in TABLES])
@pytest.mark.parametrize("merge_pairs", [50, 100_000])
def test_entries_are_those_of_the_symmetric_matrix(
    tmp_path: Path, seed: int, table: str, merge_pairs: int
) -> None:
    blocks = text(seed)
    count = count_pairs(
        blocks, tmp_path, TABLES[table](), window=WINDOW, merge_pairs=merge_pairs, block_entries=500
    )
    sizes = block_sizes(tmp_path)
    assert len(sizes) > 3
    found: dict[tuple[int, int], float] = {}
    for block in range(len(sizes)):
        entries = read_block(tmp_path, block, (1,))
        assert len(entries.rows) == sizes[block]
        for i, j, value in zip(*(each.tolist() for each in entries), strict=True):
            assert (i, j) not in found
            found[i, j] = value
    assert len(found) == count
    assert found == pytest.approx(expected(blocks), rel=1e-5), seed
    assert not list(tmp_path.glob("run*")), "what was spilt is removed"


@native
def test_the_native_table_spills_in_the_middle_of_a_sentence(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    ids = random.integers(0, 3000, 60_000).astype(np.int32)
    blocks = [(ids, np.array([0, 60_000], dtype=np.int64))]
    small, large = tmp_path / "small", tmp_path / "large"
    counted = [
        count_pairs(blocks, folder, PairTable(size), window=5, merge_pairs=9999, block_entries=10**9)
        for folder, size in ((small, 1), (large, 64))
    ]
    assert counted[0] == counted[1] > 3 * (1 << 16)  # a megabyte holds 2¹⁶ pairs
    for one, other in zip(read_block(small, 0, (1,)), read_block(large, 0, (1,)), strict=True):
        np.testing.assert_allclose(np.sort(one), np.sort(other), rtol=1e-6)


def test_a_block_is_shuffled_by_its_seed(tmp_path: Path) -> None:
    count_pairs(text(1), tmp_path, ReferenceTable(10_000), window=4, merge_pairs=99, block_entries=10**6)
    first, again, other = (read_block(tmp_path, 0, (seed, 0)) for seed in (1, 1, 2))
    assert np.array_equal(first.rows, again.rows)
    assert not np.array_equal(first.rows, other.rows)
    assert sorted(first.counts) == sorted(other.counts)
