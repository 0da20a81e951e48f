"""Which rows go through a model together: in training an epoch's batches, in use rows of about one length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled import models, text

B = TypeVar("B")
T = TypeVar("T")

CHUNK = 256
"""Lines answered together when a stream is answered: enough to fill batches, few enough to flow."""
ROWS = 64
"""Rows run together; sorted by length within a chunk, so that little of a batch is padding."""


class Plan(Sequence[B], Generic[T, B]):
    """The batches of an epoch, each made when asked for, from its row numbers or the like."""

    def __init__(self, rows: Sequence[T], make: Callable[[T], B]) -> None:
        self._rows, self._make = rows, make

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> B:  # type: ignore[override]
        return self._make(self._rows[index])


def check_lines(lines: object) -> None:
    """Refuse a single text, whose characters would be taken for lines.

    Raises:
        TypeError: it is one.
    """
    if isinstance(lines, str):
        raise TypeError(f"a list of lines is wanted; a single one is [{lines!r}]")


def chunks(stream: Iterable[T]) -> Iterator[list[T]]:
    """A stream in pieces of :data:`CHUNK`; one is read only when the one before it is done with.

    Raises:
        TypeError: as :func:`check_lines`.
    """
    check_lines(stream)
    iterator = iter(stream)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def alike(*sides: Sequence[Sized]) -> Iterator[list[int]]:
    """Rows to run together, of about the same length; those empty on the first side are left out."""
    order = sorted(
        (row for row, ids in enumerate(sides[0]) if len(ids)),
        key=lambda row: [len(side[row]) for side in sides],
        reverse=True,
    )
    for start in range(0, len(order), ROWS):
        yield order[start : start + ROWS]


def sentences(numbered: Sequence[NDArray[np.integer]], forms: text.Forms, padding: int) -> models.Sentences:
    """Rows of words' numbers as a batch that has each distinct word once; ``padding``: its id."""
    distinct, places = np.unique(np.concatenate(numbered), return_inverse=True)
    borders = np.cumsum([len(row) for row in numbered])[:-1]
    # Place 0 is that of padding.
    padded = text.pad(np.split(places + 1, borders), 0)
    spelled = text.pad([[], *(forms.characters[each] for each in distinct.tolist())], padding)
    words = np.append(padding, forms.words[distinct]).astype(np.int64)
    return models.Sentences(*map(torch.from_numpy, (*padded, words, *spelled)))
