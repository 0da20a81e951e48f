"""How values are distributed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.colours import SERIES
from unrolled.drawing.figure import Target, draw_on, log_axis


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
