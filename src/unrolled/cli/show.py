"""Tables: drawn on a terminal, plain aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.metrics import Score


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print rows under a header; the first column to the left, the others to the right."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        # Not as strings, in which square brackets would be markup.
        table = Table(title=Text(title, style="table.title") if title else None, title_justify="left")
        for index, name in enumerate(header):
            table.add_column(Text(name), justify="right" if index else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        Console().print(table)
        return
    if title:
        print(title)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


def show_scores(scores: Mapping[str, Score], *, title: str = "") -> None:
    """Scores with their 95 % intervals, and below the signatures to cite them by and, of questions, how
    many were answered."""
    rows = [[score.name, f"{score.value:.2f}", interval(score.low, score.high)] for score in scores.values()]
    show_table(["score", "value", "95 % interval"], rows, title=title)
    for score in scores.values():
        if score.signature:
            print(score.signature)
    for score in scores.values():
        if "coverage" in score.details:
            known, of, share = (score.details[name] for name in ("known", "asked", "coverage"))
            print(f"{score.name}: {known:,} of {of:,} have vectors for all their words ({share:.1f} %)")


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    """An interval in words; nothing where there is none."""
    return "" if low is None or high is None or low != low else f"{low:{sign}.2f} to {high:{sign}.2f}"
