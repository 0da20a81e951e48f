"""Scores by the length of the source, as tables and as the curve that tells what attention is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.show import interval, show_table
from unrolled.errors import UserError

if TYPE_CHECKING:
    from unrolled.metrics import Score

ByLengthOption = Annotated[
    bool, typer.Option("--by-length", help="Also by the length of what is read, in tokens.")
]
PlotOption = Annotated[
    Path | None,
    typer.Option(metavar="OUT.png", help="Draw the first score by length."),
]


def check_plot(plot: Path | None) -> None:
    """Refuse a picture that cannot be written, before anything is computed."""
    if plot is not None:
        from unrolled.drawing import check_target

        check_target(plot)


def _ranges(score: Score) -> list[dict[str, Any]]:
    """The score on each range of source lengths, where the task gave it."""
    found: list[dict[str, Any]] = score.details.get("by_length", [])
    return found


def show_by_length(score: Score, *, title: str = "") -> None:
    """A row a range of lengths; nothing where the score has none."""
    rows = [
        [each["label"], str(each["segments"]), f"{each['value']:.2f}", interval(each["low"], each["high"])]
        for each in _ranges(score)
    ]
    if rows:
        show_table(["length", "segments", score.name, "95 % interval"], rows, title=title)


def draw_by_length(scores: Mapping[str, Score], path: Path) -> None:
    """A curve a label, over the mean source length of each range; the scores are of one kind.

    Raises:
        UserError: no score was taken by length.
    """
    from unrolled.drawing import Series, draw_curves

    kinds = ("mean_length", "value", "low", "high")
    series = [
        Series(label, *([each[kind] for each in _ranges(score)] for kind in kinds))
        for label, score in scores.items()
        if _ranges(score)
    ]
    if not series:
        raise UserError("this task has no scores by length: leave --plot out")
    (name,) = {score.name for score in scores.values()}
    draw_curves(series, path, x_label="source length (tokens)", y_label=name)
    typer.echo(f"wrote {path}", err=True)
