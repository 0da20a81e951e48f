"""The vectors that a file has for a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from unrolled.text import vectors


class Found(NamedTuple):
    """Which tokens a file has, their vectors, and how many of them it has in lower case alone."""

    ids: Int64[np.ndarray, " found"]
    vectors: Float32[np.ndarray, "found size"]
    lowered: int


def look_up(path: str | Path, tokens: Sequence[str]) -> Found:
    """The vectors of ``tokens``, streamed from the file: of the others nothing is kept.

    A token that the file lacks takes the vector of its lower-case form (many files are lower-cased).

    Raises:
        UserError: as :func:`unrolled.text.vectors.iterate`.
    """
    words, matrix = vectors.read(path, {*tokens, *map(str.lower, tokens)})
    rows = {word: row for row, word in enumerate(words)}
    found = [(i, rows[token]) for i, token in enumerate(tokens) if token in rows]
    lowered = [
        (i, rows[token.lower()])
        for i, token in enumerate(tokens)
        if token not in rows and token.lower() in rows
    ]
    both = np.array([*found, *lowered], dtype=np.int64).reshape(-1, 2)
    return Found(both[:, 0], matrix[both[:, 1]], len(lowered))
