"""Lines over an axis: scores by length, gradients by distance, losses by update."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.colours import DASHES, INK, MARKERS, SERIES, again
from unrolled.drawing.figure import Target, draw_on, log_axis

FEW = 8
"""Points of a logarithmic x axis up to which each is labelled."""


@dataclass(frozen=True)
class Series:
    """One line: its name, its points, and a band around it where ``low`` and ``high`` are given."""

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None


def draw_curves(
    series: Sequence[Series],
    path: Target,
    *,
    x_label: str = "",
    y_label: str = "",
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> None:
    """Several lines over one axis, told apart by colour, dash and marker.

    Not-a-number leaves a gap. On a logarithmic axis so does zero or less in a line, and a band goes down to
    the axis' foot; an axis on which nothing is above zero is not logarithmic.

    Args:
        marks: heights at which a thin named line is drawn across (a reference value).

    Raises:
        ValueError: nothing to draw, or a series whose arrays differ in length.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    if not series:
        raise ValueError("no series to draw")
    names = [one.name for one in series]
    log_x = log_x and _above_zero(one.x for one in series)
    log_y = log_y and _above_zero(one.y for one in series)
    foot = _foot(series) if log_y else None
    with draw_on(path, [*names, x_label, y_label, title, *(name for _, name in marks)], 6.0, 3.6) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        named = {}
        for index, one in enumerate(series):
            x, y = _points(one.name, one.x, one.y)
            colour = SERIES[index % len(SERIES)]
            (line,) = axes.plot(
                x,
                y,
                color=colour,
                linestyle=DASHES[again(index)],
                marker=MARKERS[again(index)] if len(x) <= 60 else None,
                markersize=3.5,
                linewidth=1.5,
            )
            if one.name:
                named[line] = one.name
            if one.low is not None and one.high is not None:
                _, low = _points(one.name, one.x, one.low)
                _, high = _points(one.name, one.x, one.high)
                if foot is not None:
                    low = np.where(low <= 0, foot, low)
                axes.fill_between(
                    x, low, high, where=(high > 0) | (not log_y), color=colour, alpha=0.18, linewidth=0
                )
        for height, name in marks:
            axes.axhline(height, color=INK, linewidth=0.8, linestyle=":")  # no series' colour
            axes.annotate(
                name,
                (1, height),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize=8,
            )
        if log_x:
            log_axis(axes, "x")
            places = sorted({float(x) for one in series for x in np.asarray(one.x) if x > 0})
            if len(places) <= FEW:
                axes.set_xticks(places, [f"{place:g}" for place in places])
                axes.set_xticks([], minor=True)
        if log_y:
            if foot is not None:
                axes.set_ylim(bottom=foot)
            log_axis(axes, "y")
        axes.grid(True)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if title:
            axes.set_title(title, loc="left")
        if named:
            # Outside the axes, so that it never hides a point; below, where a narrow page still shows it.
            # With the names given: of its own matplotlib leaves out those that begin with an underscore.
            axes.legend([*named], [*named.values()], loc="upper left", bbox_to_anchor=(0, -0.15), fontsize=8)


def _above_zero(arrays: Iterable[ArrayLike]) -> bool:
    """Whether there is anything for a logarithmic axis."""
    numbers = [np.asarray(array, dtype=np.float64) for array in arrays]
    return any((np.isfinite(each) & (each > 0)).any() for each in numbers)


def _foot(series: Sequence[Series]) -> float | None:
    """Where a logarithmic axis has to end for the bands that reach zero; None when none does."""
    lows = [np.asarray(one.low, dtype=np.float64) for one in series if one.low is not None]
    if not any((low <= 0).any() for low in lows):
        return None
    drawn = np.concatenate([*lows, *(np.asarray(one.y, dtype=np.float64) for one in series)])
    positive = drawn[drawn > 0]
    return float(positive.min()) / 2 if positive.size else None


def _points(name: str, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise ValueError(f"series {name!r}: arrays of shapes {xs.shape} and {ys.shape} are no line")
    return xs, ys
