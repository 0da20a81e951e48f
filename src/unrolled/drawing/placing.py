"""Where labels of points stand, so that none covers another, or a point."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float64

_SIDES = ((1, 0.5), (1, -1), (-1, 0.5), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
"""From the point, in the order in which they are tried: right and up, right and down, left, above, below."""
_FAR = 2
"""How many lines of text away a label may be moved."""


def place(
    points: Float64[np.ndarray, "n 2"], sizes: Float64[np.ndarray, "n 2"], gap: float
) -> Float64[np.ndarray, "n 2"]:
    """The lower left corner of each label, from its point; NaN where there is no room for one.

    One label after the other takes the first free place around its point, the nearest first.

    Args:
        sizes: width and height of each label.
        gap: between a point and its label; a point is taken to be as wide to every side.
    """
    taken = np.concatenate([points - gap, points + gap], axis=1)
    corners = np.full_like(points, np.nan)
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        others = np.delete(taken, i, axis=0)  # its own point is never covered
        for far, (x, y) in itertools.product(range(_FAR + 1), _SIDES):
            away = np.array([x, y]) * (gap + far * size[1])
            corner = away - size * (1 - np.sign([x, y])) / 2
            box = np.concatenate([point + corner, point + corner + size])
            if not _covers(box, others):
                corners[i], taken = corner, np.concatenate([taken, box[None]])
                break
    return corners


def _covers(box: Float64[np.ndarray, " 4"], others: Float64[np.ndarray, "n 4"]) -> bool:
    """Whether a box (left, bottom, right, top) shares an area with any of the others."""
    return bool(((box[:2] < others[:, 2:]) & (others[:, :2] < box[2:])).all(1).any())
