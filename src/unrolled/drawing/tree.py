"""A search as a tree: what was kept at each step, what was cut, which path won."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unrolled.drawing.colours import GRID, INK, SERIES
from unrolled.drawing.figure import Target, draw_on
from unrolled.drawing.labels import token_label, width_of

Standing = Literal["kept", "cut", "won", "reference"]
"""Kept open or finished; cut; on the winning path; of the reference, where it was not kept."""

_LOOK: dict[Standing, tuple[str, float, str]] = {
    "kept": (SERIES[0], 1.2, "-"),
    "cut": (GRID, 0.8, ":"),
    "won": (SERIES[1], 2.2, "-"),
    "reference": (SERIES[2], 1.6, "--"),
}
_SAID: dict[Standing, str] = {
    "won": "the answer",
    "kept": "kept",
    "cut": "cut",
    "reference": "the reference, where it was cut",
}


@dataclass(frozen=True)
class Node:
    """One expansion: its token, the node it extends (``None`` at the root), and what became of it."""

    token: str
    parent: int | None
    standing: Standing = "kept"
    note: str = ""
    """A few characters below the token: its log-probability, its score."""


def draw_tree(nodes: Sequence[Node], path: Target, *, title: str = "") -> None:
    """The tree from left to right, one column a step; the winning path thick, what was cut dotted.

    Raises:
        ValueError: no nodes, or a node that stands before its parent.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    if not nodes:
        raise ValueError("a tree without nodes cannot be drawn")
    depths = _depths(nodes)
    heights = _heights(nodes)
    columns, rows = max(depths) + 1, max(heights) + 1
    names = [token_label(node.token) for node in nodes]
    # A column's width follows its longest label, so that no label runs into the next one.
    widths = [
        0.4 + max(_extent(names[i], node.note) for i, node in enumerate(nodes) if depths[i] == column)
        for column in range(columns)
    ]
    left = [sum(widths[:column]) for column in range(columns)]
    with draw_on(path, [*names, *(node.note for node in nodes), title], sum(widths), 0.36 * rows) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, sum(widths)), ylim=(rows - 0.5, -0.5))
        axes.set_axis_off()
        for node, name, depth, height in zip(nodes, names, depths, heights, strict=True):
            colour, width, dash = _LOOK[node.standing]
            x = left[depth]
            if node.parent is not None:
                start = left[depths[node.parent]] + _extent(names[node.parent], nodes[node.parent].note)
                axes.plot(
                    [start, x - 0.05],
                    [heights[node.parent], height],
                    color=colour,
                    linewidth=width,
                    linestyle=dash,
                )
            weight = "bold" if node.standing == "won" else "normal"
            axes.text(
                x,
                height - 0.06 if node.note else height,
                name,
                va="bottom" if node.note else "center",
                fontsize=9,
                fontweight=weight,
                color=GRID if node.standing == "cut" else INK,
            )
            axes.text(
                x,
                height + 0.06,
                node.note,
                va="top",
                fontsize=6.5,
                color=GRID if node.standing == "cut" else INK,
            )
        present = {node.standing for node in nodes}
        for standing, said in _SAID.items():
            if standing in present:
                colour, width, dash = _LOOK[standing]
                axes.plot([], [], color=colour, linewidth=width, linestyle=dash, label=said)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0), fontsize=8)
        if title:
            axes.set_title(title, loc="left")


def _extent(name: str, note: str) -> float:
    """About how wide a label is, in inches."""
    return 0.08 + max(0.085 * width_of(name), 0.06 * width_of(note))


def _depths(nodes: Sequence[Node]) -> list[int]:
    depths: list[int] = []
    for index, node in enumerate(nodes):
        if node.parent is not None and not 0 <= node.parent < index:
            raise ValueError(f"node {index} stands before its parent {node.parent}")
        depths.append(0 if node.parent is None else depths[node.parent] + 1)
    return depths


def _heights(nodes: Sequence[Node]) -> list[float]:
    """Leaves one below another in depth-first order, each parent beside its first child: what is
    best is read along the top."""
    children: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        if node.parent is not None:
            children[node.parent].append(index)
    heights = [0.0] * len(nodes)
    next_leaf = 0
    stack = [(index, False) for index, node in reversed(list(enumerate(nodes))) if node.parent is None]
    while stack:
        index, below_done = stack.pop()
        if not children[index]:
            heights[index] = float(next_leaf)
            next_leaf += 1
        elif below_done:
            heights[index] = heights[children[index][0]]
        else:
            stack.append((index, True))
            stack.extend((child, False) for child in reversed(children[index]))
    return heights
