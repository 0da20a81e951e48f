"""Named points in the plane: words by their vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.drawing.colours import MARKERS, SERIES
from unrolled.drawing.figure import Target, draw_on
from unrolled.drawing.labels import shortened


def draw_points(
    places: ArrayLike,
    labels: Sequence[str],
    path: Target,
    *,
    groups: Sequence[str] | None = None,
    x_label: str = "",
    y_label: str = "",
    title: str = "",
) -> None:
    """Points ``(n, 2)`` with their labels; points of one group share a colour and a marker.

    Raises:
        ValueError: the places are not (number of labels, 2), or the groups do not fit.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    positions = check_points(places, labels, groups)
    kinds = list(dict.fromkeys(groups)) if groups is not None else [""]
    names = [shortened(label) for label in labels]
    with draw_on(path, [*names, *kinds, x_label, y_label, title], 7.0, 5.5) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        for index, kind in enumerate(kinds):
            mine = np.array([groups is None or group == kind for group in groups or names])
            axes.scatter(
                positions[mine, 0],
                positions[mine, 1],
                s=14,
                color=SERIES[index % len(SERIES)],
                marker=MARKERS[index % len(MARKERS)],
                label=kind,
            )
        for (x, y), name in zip(positions, names, strict=True):
            axes.annotate(name, (x, y), xytext=(3, 2), textcoords="offset points", fontsize=7.5)
        axes.grid(True)
        axes.margins(0.06)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if title:
            axes.set_title(title, loc="left")
        if groups is not None:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)


def check_points(
    places: ArrayLike, labels: Sequence[str], groups: Sequence[str] | None
) -> NDArray[np.float64]:
    """The places as an array (n, 2).

    Raises:
        ValueError: they are not (number of labels, 2), there are none, or the groups do not fit.
    """
    positions = np.asarray(places, dtype=np.float64)
    if positions.shape != (len(labels), 2) or not len(labels):
        raise ValueError(
            f"places of shape {positions.shape} do not fit {len(labels)} labels: expected (n, 2)"
        )
    if groups is not None and len(groups) != len(labels):
        raise ValueError(f"{len(groups)} groups do not fit {len(labels)} labels")
    return positions
