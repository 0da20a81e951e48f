"""Quantities side by side, and how values are distributed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.colours import INK, SERIES
from unrolled.drawing.figure import Target, draw_on, log_axis
from unrolled.drawing.labels import shortened


def draw_bars(
    labels: Sequence[str],
    values: ArrayLike,
    path: Target,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    x_label: str = "",
    title: str = "",
) -> None:
    """Horizontal bars from the top down, each with its label, its value and, where given, its interval.

    Raises:
        ValueError: nothing to draw, or labels, values and intervals differ in length.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    lengths = np.asarray(values, dtype=np.float64)
    if lengths.ndim != 1 or not len(lengths) or len(lengths) != len(labels):
        raise ValueError(f"{len(labels)} labels do not fit values of shape {lengths.shape}")
    names = [shortened(label, 40) for label in labels]
    with draw_on(path, [*names, x_label, title], 5.0, 0.28 * len(names) + 0.1) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        places = np.arange(len(names))
        ends = lengths.copy()
        axes.barh(places, lengths, height=0.7, color=SERIES[0])
        if low is not None and high is not None:
            lows, highs = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
            if lows.shape != lengths.shape or highs.shape != lengths.shape:
                raise ValueError(f"intervals of shapes {lows.shape} and {highs.shape} do not fit the values")
            axes.hlines(places, lows, highs, color=INK, linewidth=1.2)
            ends = np.where(lengths >= 0, np.maximum(lengths, highs), np.minimum(lengths, lows))
        for place, value, end in zip(places, lengths, ends, strict=True):
            away = 4 if value >= 0 else -4
            axes.annotate(
                f"{value:.4g}",
                (end, place),
                xytext=(away, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= 0 else "right",
                fontsize=8,
            )
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.axvline(0, color=INK, linewidth=0.7)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0, pad=6 + 30 * bool((lengths < 0).any()))
        axes.set_xlabel(x_label)
        if title:
            axes.set_title(title, loc="left")


def draw_histogram(
    values: ArrayLike,
    path: Target,
    *,
    bins: int = 40,
    log_x: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    x_label: str = "",
    title: str = "",
) -> None:
    """How many values fall into each of ``bins`` equal ranges (equal ratios with ``log_x``).

    Args:
        marks: values at which a named line is drawn (a clipping threshold).

    Raises:
        ValueError: no finite values (no positive ones with ``log_x``).
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    data = np.asarray(values, dtype=np.float64).ravel()
    data = data[np.isfinite(data) & ((data > 0) | (not log_x))]
    if not data.size:
        raise ValueError("no values to draw a distribution of")
    edges = (
        np.geomspace(*_apart(data.min(), data.max()), bins + 1)
        if log_x
        else np.linspace(*_apart(data.min(), data.max()), bins + 1)
    )
    with draw_on(path, [x_label, title, *(name for _, name in marks)], 6.0, 3.0) as figure:
        from matplotlib.ticker import MaxNLocator

        axes = figure.add_axes((0, 0, 1, 1))
        axes.hist(data, bins=edges.tolist(), color=SERIES[0])
        for place, name in marks:
            axes.axvline(place, color=SERIES[1], linewidth=1.2)
            axes.annotate(
                name,
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, 0),
                textcoords="offset points",
                va="top",
                fontsize=8,
            )
        if log_x:
            log_axis(axes, "x")
        axes.set_xlabel(x_label)
        axes.set_ylabel("count")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(True, axis="y")
        if title:
            axes.set_title(title, loc="left")


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low * 0.5, high * 1.5) if low > 0 else (low - 0.5, high + 0.5)
