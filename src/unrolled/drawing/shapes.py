"""The five shapes of a sequence model, unrolled in time: inputs below, states between, outputs above."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.drawing.colours import INK, SERIES
from unrolled.drawing.figure import Target, draw_on


@dataclass(frozen=True)
class Shape:
    """Which steps of an unrolled network read an input, write an output, and feed it to the next step."""

    steps: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    fed_back: tuple[int, ...] = ()


SHAPES = {
    "one to one": Shape(1, (0,), (0,)),
    "one to many": Shape(4, (0,), (0, 1, 2, 3), (0, 1, 2)),
    "many to one": Shape(4, (0, 1, 2, 3), (3,)),
    "many to many, equal length": Shape(4, (0, 1, 2, 3), (0, 1, 2, 3)),
    "many to many": Shape(6, (0, 1, 2), (3, 4, 5), (3, 4)),
}


def draw_shape(name: str, path: Target) -> None:
    """One of :data:`SHAPES`: a box a state, arrows for what each one reads, passes on and writes.

    Raises:
        ValueError: an unknown shape; the known ones are named.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    if name not in SHAPES:
        raise ValueError(f"unknown shape {name!r}; known: {', '.join(SHAPES)}")
    shape = SHAPES[name]
    with draw_on(path, [name], 0.95 * shape.steps, 2.6) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-0.5, shape.steps - 0.5), ylim=(-0.45, 2.45))
        axes.set_axis_off()
        arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
        for step in range(shape.steps):
            _box(axes, step, 1, SERIES[0], "a")
            if step in shape.inputs:
                _box(axes, step, 0, SERIES[2], "x")
                axes.annotate("", (step, 0.76), (step, 0.24), arrowprops=arrow)
            if step in shape.outputs:
                _box(axes, step, 2, SERIES[1], "ŷ")
                axes.annotate("", (step, 1.76), (step, 1.24), arrowprops=arrow)
            if step + 1 < shape.steps:
                axes.annotate("", (step + 0.72, 1), (step + 0.28, 1), arrowprops=arrow)
            if step in shape.fed_back:
                bent = {**arrow, "linestyle": "--", "connectionstyle": "arc3,rad=-0.25"}
                axes.annotate("", (step + 0.8, 1.24), (step + 0.28, 2), arrowprops=bent)


def _box(axes: object, x: float, y: float, colour: str, label: str) -> None:
    from matplotlib.axes import Axes
    from matplotlib.patches import FancyBboxPatch

    assert isinstance(axes, Axes)
    box = FancyBboxPatch(
        (x - 0.22, y - 0.18),
        0.44,
        0.36,
        boxstyle="round,pad=0.04",
        facecolor=colour,
        edgecolor=INK,
        linewidth=0.8,
    )
    axes.add_patch(box)
    axes.text(x, y, label, ha="center", va="center", color="#ffffff", fontsize=11, fontstyle="italic")
