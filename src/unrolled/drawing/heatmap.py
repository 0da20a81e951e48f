"""Matrices as pictures: what attends to what, gates over time, which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.colours import Map, colour, ends, ink, place
from unrolled.drawing.figure import Target, colour_map, draw_on
from unrolled.drawing.labels import name_label, token_label


def draw_alignment(
    weights: ArrayLike, source: Sequence[str], target: Sequence[str], path: Target, *, title: str = ""
) -> None:
    """Attention weights ``(target, source)``: each row an output token, each column a token of the source.

    Raises:
        ValueError: the weights' shape is not (number of target tokens, number of source tokens).
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    draw_heatmap(
        weights,
        [token_label(token) for token in target],
        [token_label(token) for token in source],
        path,
        title=title,
        low=0.0,
        bar_label="attention",
    )


def draw_heatmap(
    values: ArrayLike,
    rows: Sequence[str] | None,
    columns: Sequence[str] | None,
    path: Target,
    *,
    title: str = "",
    kind: Map = "sequential",
    low: float | None = None,
    high: float | None = None,
    bar_label: str = "",
) -> None:
    """A matrix ``(rows, columns)`` as coloured cells, the first row at the top, column labels above.

    Args:
        values: not-a-number is drawn grey.
        rows, columns: labels, or ``None`` for plain positions.
        low, high: values at the map's ends; by default the data's own (symmetric for ``"diverging"``).

    Raises:
        ValueError: the labels do not fit the matrix's shape, or it is empty.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    matrix = _matrix(values, rows, columns)
    low, high = ends(matrix.ravel().tolist(), kind, low, high)
    _draw_cells(matrix, rows, columns, path, title, kind, low, high, bar_label)


def draw_confusion(counts: ArrayLike, labels: Sequence[str], path: Target, *, title: str = "") -> None:
    """A confusion matrix of counts ``(true class, predicted class)``; colour is the share of the true class.

    Raises:
        ValueError: the counts are not square or do not fit the labels.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    matrix = _matrix(counts, labels, labels)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    names = [name_label(label) for label in labels]
    text = [[f"{value:,.0f}" for value in row] for row in matrix.tolist()]
    _draw_cells(
        shares,
        names,
        names,
        path,
        title,
        "sequential",
        0.0,
        1.0,
        "share of the true class",
        text,
        ("true class", "predicted class"),
    )


def _draw_cells(
    matrix: np.ndarray,
    rows: Sequence[str] | None,
    columns: Sequence[str] | None,
    path: Target,
    title: str,
    kind: Map,
    low: float,
    high: float,
    bar_label: str,
    text: list[list[str]] | None = None,
    axis_labels: tuple[str, str] = ("", ""),
) -> None:
    longest = max((len(cell) for row in text for cell in row), default=0) if text else 0
    side = max(_side(max(matrix.shape)), 0.085 * longest)
    height, width = matrix.shape[0] * side, matrix.shape[1] * side
    with draw_on(path, [*(rows or ()), *(columns or ()), title, *axis_labels], width, height) as figure:
        from matplotlib.ticker import MaxNLocator

        axes = figure.add_axes((0, 0, 1, 1))
        image = axes.imshow(
            matrix, cmap=colour_map(kind), vmin=low, vmax=high, aspect="auto", interpolation="none"
        )
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        size = min(9.0, 72 * side * 0.8)
        if columns is not None:
            axes.set_xticks(range(len(columns)), columns, fontsize=size)
            if any(len(label) > 2 for label in columns):
                for label in axes.get_xticklabels():
                    label.set(rotation=50, ha="left", va="bottom", rotation_mode="anchor")
        if rows is not None:
            axes.set_yticks(range(len(rows)), rows, fontsize=size)
        for axis, labels in ((axes.xaxis, columns), (axes.yaxis, rows)):
            if labels is None:
                axis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(length=0, pad=3)
        for spine in axes.spines.values():
            spine.set_visible(True)
        axes.set_ylabel(axis_labels[0])
        axes.set_xlabel(axis_labels[1])
        if title:
            axes.set_title(title, loc="left", pad=8)
        if text is not None:
            for (row, column), value in np.ndenumerate(matrix):
                background = colour(place(float(value), low, high), kind)
                axes.text(
                    column,
                    row,
                    text[row][column],
                    ha="center",
                    va="center",
                    fontsize=size,
                    color=ink(background),
                )
        # Below and to the left, where it is seen of a matrix that is wider than a page.
        bar_axes = figure.add_axes((0, -0.3 / height, 2.0 / width, 0.12 / height))
        bar = figure.colorbar(image, cax=bar_axes, orientation="horizontal")
        bar.outline.set_linewidth(0.5)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.set_label(bar_label, fontsize=8)


def _side(count: int) -> float:
    """The side of a cell in inches: room for a label, less where there are many."""
    return float(np.clip(24.0 / count, 0.1, 0.3))


def _matrix(values: ArrayLike, rows: Sequence[str] | None, columns: Sequence[str] | None) -> np.ndarray:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(
            f"a picture of a matrix needs two axes and something in them, got shape {matrix.shape}"
        )
    expected = (
        matrix.shape[0] if rows is None else len(rows),
        matrix.shape[1] if columns is None else len(columns),
    )
    if matrix.shape != expected:
        raise ValueError(f"a matrix of shape {matrix.shape} does not fit labels of lengths {expected}")
    return matrix
