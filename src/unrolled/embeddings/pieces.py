"""Words made of character n-grams, so that an unseen word has a vector (Bojanowski et al. 2017)."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64


class Pieces(NamedTuple):
    """Which rows a vocabulary's words are the sum of: ``rows[begin[w]:begin[w + 1]]``, a word's own first."""

    begin: Int64[np.ndarray, " words+1"]
    rows: Int32[np.ndarray, " pieces"]


class Spelling(NamedTuple):
    """How words are cut: into n-grams of these lengths, hashed to ``rows`` rows from ``first`` on."""

    lengths: tuple[int, int]
    first: int
    rows: int

    def of(self, word: str) -> list[int]:
        """The rows of a word's n-grams; ``<`` and ``>`` mark its ends, so that a prefix is no infix."""
        marked = f"<{word}>"
        shortest, longest = self.lengths
        return [
            self.first + zlib.crc32(marked[i : i + n].encode()) % self.rows
            for n in range(shortest, longest + 1)
            for i in range(len(marked) - n + 1)
            if n < len(marked)  # the whole word has a row of its own
        ]

    def pieces(self, words: Sequence[str]) -> Pieces:
        """The pieces of a vocabulary."""
        begin, rows = array("q", [0]), array("i")
        for row, word in enumerate(words):
            rows.append(row)
            rows.extend(self.of(word))
            begin.append(len(rows))
        return Pieces(np.frombuffer(begin, dtype=np.int64), np.frombuffer(rows, dtype=np.int32))

    def vector(
        self, word: str, matrix: Float32[np.ndarray, "rows size"]
    ) -> Float32[np.ndarray, " size"] | None:
        """The vector of an unseen word, or ``None`` where it has no n-grams."""
        rows = self.of(word)
        return matrix[rows].sum(0) / np.float32(np.sqrt(len(rows))) if rows else None


def compose(matrix: Float32[np.ndarray, "rows size"], pieces: Pieces) -> Float32[np.ndarray, "words size"]:
    """Each word's vector: Σ of its rows / √(how many)."""
    lengths = np.diff(pieces.begin)
    made = np.empty((len(lengths), matrix.shape[1]), dtype=np.float32)
    for first in range(0, len(lengths), _AT_ONCE):
        last = min(first + _AT_ONCE, len(lengths))
        begin = pieces.begin[first : last + 1]
        rows = matrix[pieces.rows[begin[0] : begin[-1]]]
        made[first:last] = np.add.reduceat(rows, begin[:-1] - begin[0])
    return made / np.sqrt(lengths, dtype=np.float32)[:, None]


_AT_ONCE = 4096
