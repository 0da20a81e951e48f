"""Named points in the plane: words by their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.drawing.colours import GRID, MARKERS, SERIES, again
from unrolled.drawing.figure import Target, draw_on
from unrolled.drawing.labels import name_label
from unrolled.drawing.placing import place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 3.0
"""Points between a point and its label."""


def draw_points(
    places: ArrayLike,
    labels: Sequence[str],
    path: Target,
    *,
    groups: Sequence[str] | None = None,
    x_label: str = "",
    y_label: str = "",
    title: str = "",
) -> int:
    """Points ``(n, 2)`` with their labels; points of one group share a colour and a marker.

    Returns:
        how many labels are left out for want of room, later ones rather than earlier ones.

    Raises:
        ValueError: the places are not (number of labels, 2), or the groups do not fit.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    positions = check_points(places, labels, groups)
    kinds = list(dict.fromkeys(groups)) if groups is not None else [""]
    names = [name_label(label) for label in labels]
    legend = [name_label(kind) for kind in kinds]
    with draw_on(path, [*names, *legend, x_label, y_label, title], 7.0, 5.5) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        drawn = []
        for index, kind in enumerate(kinds):
            mine = np.array([groups is None or group == kind for group in groups or names])
            some = axes.scatter(
                positions[mine, 0],
                positions[mine, 1],
                s=14,
                color=SERIES[index % len(SERIES)],
                marker=MARKERS[again(index)],
            )
            drawn.append(some)
        axes.grid(True)
        axes.margins(0.06)
        axes.autoscale_view()
        left_out = _name(axes, positions, names)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if title:
            axes.set_title(title, loc="left")
        if groups is not None:
            # With the names given: of its own matplotlib leaves out those that begin with an underscore.
            axes.legend(drawn, legend, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)
    return left_out


def _name(axes: Axes, positions: NDArray[np.float64], names: Sequence[str]) -> int:
    """Labels beside their points; one that had to be moved away has a line to it. How many are left out."""
    texts = [
        axes.annotate(name, point, xytext=(0, 0), textcoords="offset points", fontsize=7.5)
        for name, point in zip(names, positions, strict=True)
    ]
    dots = axes.figure.dpi / 72  # in a point, the unit of offsets
    sizes = np.array([text.get_window_extent().size for text in texts]) / dots
    corners = place(axes.transData.transform(positions) / dots, sizes, _GAP)
    for text, corner, size in zip(texts, corners, sizes, strict=True):
        if np.isnan(corner).any():
            text.remove()
            continue
        text.set_position(corner)
        nearest = np.clip(0, corner, corner + size)
        if np.linalg.norm(nearest) > 2 * _GAP:
            axes.annotate(
                "",
                text.xy,
                xytext=nearest,
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": GRID, "shrinkA": 0, "shrinkB": 2},
            )
    return int(np.isnan(corners).any(1).sum())


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
