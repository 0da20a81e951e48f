"""Where labels of points stand, so that none covers another, or a point."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float64

_SIDES = ((1, 0.5), (1, -1), (-1, 0.5), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
"""From the point, in the order in which they are tried: right and up, right and down, left, above, below."""
_FAR = 4
"""How many lines of text away a label may be moved."""

Boxes = Float64[np.ndarray, "n 4"]


def place(
    points: Float64[np.ndarray, "n 2"], sizes: Float64[np.ndarray, "n 2"], gap: float
) -> Float64[np.ndarray, "n 2"]:
    """The lower left corner of each label, from its point.

    One label after the other takes the first free place around its point, the nearest first; where none is
    free, that where it covers least.

    Args:
        sizes: width and height of each label.
        gap: between a point and its label; a point is taken to be as wide to every side.
    """
    taken = np.concatenate([points - gap, points + gap], axis=1)
    corners = np.empty_like(points)
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        others = np.delete(taken, i, axis=0)  # its own point is never covered
        best = np.inf
        for far, (x, y) in itertools.product(range(_FAR + 1), _SIDES):
            away = np.array([x, y]) * (gap + far * size[1])
            corner = away - size * (1 - np.sign([x, y])) / 2
            covered = _covered(np.concatenate([point + corner, point + corner + size]), others)
            if covered < best:
                best, corners[i] = covered, corner
            if best == 0:
                break
        lower = point + corners[i]
        taken = np.concatenate([taken, np.concatenate([lower, lower + size])[None]])
    return corners


def _covered(box: Float64[np.ndarray, " 4"], others: Boxes) -> float:
    """The area that a box (left, bottom, right, top) shares with others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.maximum(sides, 0).prod(1).sum())
