from __future__ import annotations

import itertools

import numpy as np
import pytest

from unrolled.drawing.placing import place


def boxes(points: np.ndarray, sizes: np.ndarray, gap: float) -> np.ndarray:
    lower = points + place(points, sizes, gap)
    return np.concatenate([lower, lower + sizes], axis=1)


def apart(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one[:2] >= other[2:] - 1e-9).any() or (other[:2] >= one[2:] - 1e-9).any())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_cover_neither_each_other_nor_points(seed: int) -> None:
    random = np.random.default_rng(seed)
    # Three heaps of ten in a picture of 400 × 300.
    points = np.repeat(random.uniform((50, 50), (350, 250), (3, 2)), 10, axis=0) + random.normal(
        0, 12, (30, 2)
    )
    sizes = np.stack([random.uniform(15, 45, 30), np.full(30, 8.0)], axis=1)
    labels = boxes(points, sizes, 3.0)
    there = np.flatnonzero(np.isfinite(labels).all(1)).tolist()
    assert len(there) > 24, f"seed {seed}"
    for i, j in itertools.combinations(there, 2):
        assert apart(labels[i], labels[j]), f"labels {i} and {j}, seed {seed}"
    for i, point in itertools.product(there, points):
        assert apart(labels[i], np.concatenate([point, point])), f"label {i} on a point, seed {seed}"


def test_a_label_alone_stands_right_of_its_point_and_above() -> None:
    np.testing.assert_allclose(place(np.zeros((1, 2)), np.array([[20.0, 8.0]]), 3.0), [[3, 1.5]])


def test_labels_without_room_are_left_out_the_last_ones_first() -> None:
    points, sizes = np.zeros((60, 2)), np.full((60, 2), 10.0)
    placed = boxes(points, sizes, 3.0)
    there = np.isfinite(placed).all(1)
    assert there[:8].all()
    assert not there[-8:].any()
    for one, other in itertools.combinations(placed[there], 2):
        assert apart(one, other)
