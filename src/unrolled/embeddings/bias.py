"""A stated bias direction: how far words lean along it, and vectors without it (Bolukbasi et al. 2016).

Read with caution. What is measured is the one direction that the given pairs define, not "the bias" of the
vectors; and what neutralising takes away along it can mostly be recovered from who a word's neighbours are
(Gonen & Goldberg 2019). Vectors treated like this are not fair vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from unrolled.embeddings.vectors import Vectors
from unrolled.errors import UserError

Direction = Float[np.ndarray, " size"]


def direction(vectors: Vectors, pairs: Sequence[tuple[str, str]]) -> Direction:
    """The unit vector along which the pairs differ: (``she``, ``he``), (``woman``, ``man``), ...

    The first principal component of the unit vectors about their pair's mean (section 5.1, step 1 with
    k = 1), turned so that it points to the pairs' first words.

    Raises:
        UserError: no pairs, or a word without a vector.
    """
    if not pairs:
        raise UserError("no pairs: a direction is what two words or more differ in")
    halves = np.stack([(_unit(vectors[a]) - _unit(vectors[b])) / 2 for a, b in pairs])
    _, _, components = np.linalg.svd(np.concatenate([halves, -halves]), full_matrices=False)
    found: Direction = components[0]
    return found if (halves @ found).sum() >= 0 else -found


def lean(vectors: Vectors, words: Iterable[str], along: Direction) -> dict[str, float]:
    """The cosine of each word with the direction: above 0 on the side of the pairs' first words.

    Raises:
        UserError: a word without a vector.
    """
    return {word: float(_unit(vectors[word]) @ along) for word in words}


def direct_bias(
    vectors: Vectors, words: Iterable[str], along: Direction, *, strictness: float = 1.0
) -> float:
    """The mean of |cosine|^``strictness`` of words that should not lean at all (section 5.2, DirectBias).

    Raises:
        UserError: a word without a vector, or no words.
    """
    leans = np.abs(list(lean(vectors, words, along).values()))
    if not len(leans):
        raise UserError("no words to measure the bias of")
    return float((leans**strictness).mean())


def neutralise(vectors: Vectors, words: Iterable[str], along: Direction) -> Vectors:
    """The vectors, at unit length, those of ``words`` without any part along the direction (step 2a).

    Raises:
        UserError: a word without a vector.
    """
    matrix = _units(vectors)
    for row in _rows(vectors, words):
        matrix[row] = _unit(matrix[row] - (matrix[row] @ along) * along)
    return Vectors(vectors.words, matrix)


def equalise(vectors: Vectors, sets: Iterable[Sequence[str]], along: Direction) -> Vectors:
    """The vectors, at unit length, the words of each set differing in the direction alone (step 2b).

    They share what they have besides it, ν = μ − μ_B, and keep which side of the set's middle they are on:
    w ← ν + √(1 − ‖ν‖²) · (w_B − μ_B) / ‖w_B − μ_B‖. Any neutralised word is as near to one as to the other.

    Raises:
        UserError: a word without a vector, a set of one word, or one whose words do not differ along it.
    """
    matrix = _units(vectors)
    for words in sets:
        rows = _rows(vectors, words)
        parts = matrix[rows] @ along
        sides = np.sign(parts - parts.mean())
        if len(rows) < 2 or not sides.all():
            raise UserError(
                f"{', '.join(words)}: two words or more are wanted that differ along the direction"
            )
        mean = matrix[rows].mean(0)
        shared = mean - (mean @ along) * along
        matrix[rows] = shared + np.sqrt(max(0.0, 1 - shared @ shared)) * sides[:, None] * along
    return Vectors(vectors.words, matrix)


def _rows(vectors: Vectors, words: Iterable[str]) -> list[int]:
    return [vectors.row(word) for word in words]


def _units(vectors: Vectors) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    return np.divide(vectors.matrix, lengths, where=lengths > 0, out=np.zeros_like(vectors.matrix))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vector)
    return vector / length if length else vector
