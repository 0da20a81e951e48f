"""What a run has to be looked into: which views, by what its predictor can do; which cells, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

from torch import nn

from unrolled.errors import UserError
from unrolled.nn import Passage
from unrolled.tasks import Predictor
from unrolled.tasks.inside import Readable, Reading, Searching

MOST = 20_000
"""Tokens that are looked into at once: every gate of a layer of 512 LSTM units takes 300 MB."""

_NEEDS: dict[str, Callable[[Predictor], bool]] = {
    "alignment": lambda predictor: isinstance(predictor, Readable) and predictor.attends,
    "gates": lambda predictor: isinstance(predictor, Readable),
    "gradients": lambda predictor: isinstance(predictor, Readable),
    "beam": lambda predictor: isinstance(predictor, Searching),
    "errors": lambda predictor: isinstance(predictor, Searching),
    "report": lambda predictor: isinstance(predictor, Readable),
}


def views(predictor: Predictor) -> list[str]:
    """The views this run has."""
    return [name for name, has in _NEEDS.items() if has(predictor)]


def readable(predictor: Predictor, view: str) -> Readable:
    """The predictor, as what a view of one pass needs.

    Raises:
        UserError: the run has no such view; those it has are named.
    """
    _check(predictor, view)
    return cast("Readable", predictor)


def searching(predictor: Predictor, view: str) -> Searching:
    """The predictor, as what a view of a search needs.

    Raises:
        UserError: the run has no such view; those it has are named.
    """
    _check(predictor, view)
    return cast("Searching", predictor)


def _check(predictor: Predictor, view: str) -> None:
    if not _NEEDS[view](predictor):
        known = views(predictor)
        has = f"its views are {', '.join(known)}" if known else "it has no views"
        lacks = "attention to show" if view == "alignment" else f"use for the view {view!r}"
        raise UserError(f"this run of task {predictor.task.name!r} has no {lacks}; {has}")


def check_length(reading: Reading, view: str) -> None:
    """Refuse a reading of which not all that a view looks at can be kept in memory.

    Raises:
        UserError: it has too many tokens.
    """
    count = max(sum(map(len, part)) for part in reading.tokens.values())
    if count > MOST:
        raise UserError(
            f"{view}: {count:,} tokens are more than the {MOST:,} of which all can be kept: give a part of"
            " the text"
        )


def placed(
    model: nn.Module, reading: Reading, passages: Sequence[Passage]
) -> Iterator[tuple[str, str, Passage]]:
    """Each passage with its cell's path in the model and the part of the reading that the cell is of.

    The part is the longest name that leads to the cell; cells of none are left out.
    """
    paths = {module: path for path, module in model.named_modules()}
    for passage in passages:
        path = paths.get(passage.cell, "")
        parts = [part for part in reading.tokens if f"{path}.".startswith(f"{part}." if part else "")]
        if parts:
            yield path, max(parts, key=len), passage
