"""Word vectors put to use: who is near whom, and who is to whom as these are to those."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from unrolled import metrics
from unrolled.embeddings.questions import read_analogies, read_pairs
from unrolled.errors import UserError, counted
from unrolled.text.vectors import Form, Matrix, open_mapped, write

Vector = Float32[np.ndarray, " size"]

_ROWS = 1 << 16
"""Rows looked at together where all are: 80 MB of vectors of 300 numbers."""


class Vectors:
    """Words and their vectors, a row each, the most frequent first; the matrix may be mapped from disk.

    Likeness is the cosine: a word's vector counts by its direction alone.

    Args:
        unseen: the vector of a word that has no row, or ``None`` where there is none (vectors of character
            n-grams know one for every word).
        normalize: how the text was written before its words were counted; a word without a row is looked up
            in that form.
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: Matrix,
        unseen: Callable[[str], Vector | None] | None = None,
        normalize: Callable[[str], str] = str,
    ) -> None:
        if len(words) != len(matrix):
            raise ValueError(f"{len(words)} words, but {len(matrix)} vectors")
        self.words = list(words)
        self.matrix = matrix
        self._unseen = unseen
        self._normalize = normalize

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Vectors from a file of word2vec (text or binary) or GloVe, mapped from disk rather than read.

        The first time, the numbers are copied to a cache (see :func:`unrolled.text.vectors.open_mapped`).

        Raises:
            UserError: no such file, no vectors in it, a row that is short or long: file and line.
        """
        return cls(*open_mapped(path))

    def save(self, path: str | Path, form: Form = "word2vec") -> None:
        """Write a file of vectors.

        Raises:
            UserError: the form cannot hold a word.
            RunError: the disk is full or cannot be written.
        """
        write(path, self.words, self.matrix, form)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return int(self.matrix.shape[1])

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._row(word) is not None

    def _row(self, word: str) -> int | None:
        row = self._rows.get(word)
        return self._rows.get(self._normalize(word)) if row is None else row

    def __getitem__(self, word: str) -> Vector:
        """A word's vector.

        Raises:
            UserError: it has none; words spelled alike that have one are named.
        """
        if self._unseen is not None and word and self._row(word) is None:
            made = self._unseen(self._normalize(word))
            if made is not None:
                return made
        return self.matrix[self.row(word)]

    def row(self, word: str) -> int:
        """The row of a word.

        Raises:
            UserError: it has none; words spelled alike that have one are named.
        """
        row = self._row(word)
        if row is None:
            raise UserError(f"no vector for the word {word!r}{self._spelled_alike(word)}")
        return row

    def units(self, words: Iterable[str]) -> Float32[np.ndarray, "words size"]:
        """The vectors of some words, at unit length.

        Raises:
            UserError: a word without a vector, or no words.
        """
        rows = [self._unit(word) for word in words]
        if not rows:
            raise UserError("no word given: one at least is wanted")
        return np.stack(rows)

    def similarity(self, first: str, second: str) -> float:
        """The cosine of two words' vectors.

        Raises:
            UserError: a word without a vector.
        """
        return float(self._unit(first) @ self._unit(second))

    def most_similar(
        self,
        positive: str | NDArray | Sequence[str | NDArray] = (),
        negative: str | NDArray | Sequence[str | NDArray] = (),
        topn: int = 10,
    ) -> list[tuple[str, float]]:
        """The words nearest to the sum of ``positive`` less that of ``negative``, and their cosines.

        ``man : king :: woman : ?`` is ``most_similar(["king", "woman"], ["man"])`` (Mikolov et al. 2013).
        A word counts as a unit vector, and is no answer itself; vectors that are given count as they are.

        Raises:
            UserError: a word without a vector, or nothing given.
        """
        plus, minus = _listed(positive), _listed(negative)
        if not plus and not minus:
            raise UserError("no word given: one at least is wanted")
        wanted = np.zeros(self.size, dtype=np.float32)
        for sign, each in [*((1, each) for each in plus), *((-1, each) for each in minus)]:
            wanted += sign * (self._unit(each) if isinstance(each, str) else np.asarray(each, np.float32))
        rows = (self._row(each) for each in (*plus, *minus) if isinstance(each, str))
        given = {row for row in rows if row is not None}
        cosines = self.matrix @ _normal(wanted)
        cosines *= self._scales
        cosines[list(given)] = -np.inf
        count = min(topn, len(self) - len(given))
        best = np.argpartition(-cosines, max(0, count - 1))[:count] if count > 0 else np.array([], dtype=int)
        best = best[np.lexsort((best, -cosines[best]))]
        return [(self.words[row], float(cosines[row])) for row in best.tolist()]

    def doesnt_match(self, words: Iterable[str]) -> str:
        """The word that is least like the mean of them all.

        Raises:
            UserError: a word without a vector, or fewer than three words.
        """
        words = list(words)
        if len(words) < 3:
            raise UserError(
                f"{counted(len(words), 'word')}: three at least are wanted to say which is the odd one out"
            )
        units = self.units(words)
        return words[int((units @ _normal(units.mean(0))).argmin())]

    def evaluate_word_analogies(
        self, path: str | Path, *, restrict: int = 300_000, case_insensitive: bool = True
    ) -> metrics.Score:
        """The share of analogies answered right, of those whose four words are known, in percent.

        As gensim does it: the answer is sought among the ``restrict`` most frequent words, those of the
        question excluded. ``details``: the coverage, and right answers by section.

        Raises:
            UserError: as :func:`~unrolled.embeddings.questions.read_analogies`; or all have unknown words.
        """
        asked = read_analogies(path)
        rows, names = self._known(restrict, case_insensitive)
        known = [
            (question, [rows[fold(word, case_insensitive)] for word in question[1:]])
            for question in asked
            if all(fold(word, case_insensitive) in rows for word in question[1:])
        ]
        if not known:
            raise UserError(f"{path}: each of its {len(asked):,} questions has a word without a vector")
        forms: dict[int, list[int]] = {}  # of words that are written in several ways, all but the first
        for row, name in enumerate(names):
            if rows[name] != row:
                forms.setdefault(rows[name], []).append(row)
        answers = self._answer(np.array([four[:3] for _, four in known]), restrict, forms)
        gold = [fold(question.d, case_insensitive) for question, _ in known]
        found = [names[row] for row in answers.tolist()]
        score = metrics.accuracy(found, gold, name="analogies")
        sections: dict[str, dict[str, Any]] = {}
        for question in asked:
            sections.setdefault(question.section, {"right": 0, "known": 0, "asked": 0})["asked"] += 1
        for (question, _), one, other in zip(known, found, gold, strict=True):
            sections[question.section]["known"] += 1
            sections[question.section]["right"] += one == other
        score.details |= _coverage(known, asked) | {"sections": sections}
        score.over = _digest(question for question, _ in known)
        return score

    def evaluate_word_pairs(self, path: str | Path, *, case_insensitive: bool = True) -> metrics.Score:
        """Spearman's correlation of the cosines with people's judgement, over pairs that are known.

        Raises:
            UserError: as :func:`~unrolled.embeddings.questions.read_pairs`; or fewer than two are known.
        """
        asked = read_pairs(path)
        rows, _ = self._known(len(self), case_insensitive)
        both = [(fold(pair.first, case_insensitive), fold(pair.second, case_insensitive)) for pair in asked]
        known = [row for row, (first, second) in enumerate(both) if first in rows and second in rows]
        if len(known) < 2:
            raise UserError(f"{path}: {len(known)} of its {len(asked)} pairs have vectors; two are needed")
        ours = [
            float(self._unit(self.words[rows[both[row][0]]]) @ self._unit(self.words[rows[both[row][1]]]))
            for row in known
        ]
        score = metrics.spearman(ours, [asked[row].judgement for row in known], name="word pairs")
        score.details |= _coverage(known, asked)
        score.over = _digest(asked[row] for row in known)
        return score

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def _scales(self) -> Float32[np.ndarray, " words"]:
        """1 / length of each vector."""
        lengths = np.empty(len(self), dtype=np.float32)
        for first in range(0, len(self), _ROWS):
            rows = self.matrix[first : first + _ROWS]
            lengths[first : first + _ROWS] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)

    def _unit(self, word: str) -> Vector:
        return _normal(self[word])

    def _known(self, restrict: int, case_insensitive: bool) -> tuple[dict[str, int], list[str]]:
        """Rows by (folded) word, the more frequent before others; and the folded words by row."""
        names = [fold(word, case_insensitive) for word in self.words[:restrict]]
        return {name: row for row, name in reversed(list(enumerate(names)))}, names

    def _answer(
        self, given: NDArray[np.integer], restrict: int, forms: Mapping[int, list[int]]
    ) -> NDArray[np.int64]:
        """The row nearest to b − a + c for rows (a, b, c), those three and their other ``forms`` excepted."""
        rows = self.matrix[:restrict] * self._scales[:restrict, None]
        answers = []
        for first in range(0, len(given), _QUESTIONS):
            a, b, c = given[first : first + _QUESTIONS].T
            cosines = (rows[b] - rows[a] + rows[c]) @ rows.T
            for excluded in (a, b, c):
                cosines[np.arange(len(a)), excluded] = -np.inf
                for question, row in enumerate(excluded.tolist()):
                    cosines[question, forms.get(row, [])] = -np.inf
            answers.append(cosines.argmax(1))
        return np.concatenate(answers)

    def _spelled_alike(self, word: str) -> str:
        """A hint; only frequent words of about that length are looked at, for there may be millions."""
        likely = [each for each in self.words[:_FREQUENT] if abs(len(each) - len(word)) <= 2]
        close = difflib.get_close_matches(word, likely, n=3, cutoff=0.7)
        return f"; spelled alike: {', '.join(close)}" if close else ""


_QUESTIONS = 256
_FREQUENT = 100_000


def fold(word: str, case_insensitive: bool) -> str:
    """The word as questions compare it."""
    return word.upper() if case_insensitive else word


def _digest(questions: Iterable[object]) -> str:
    """Some letters that are others for other questions."""
    return hashlib.blake2b(repr([*questions]).encode(), digest_size=8).hexdigest()


def _coverage(known: Sequence[object], asked: Sequence[object]) -> dict[str, Any]:
    return {"coverage": 100 * len(known) / len(asked), "known": len(known), "asked": len(asked)}


def _listed(given: str | NDArray | Sequence[str | NDArray]) -> list[str | NDArray]:
    return [given] if isinstance(given, str | np.ndarray) else list(given)


def _normal(vector: NDArray) -> Vector:
    length = np.float32(np.linalg.norm(vector))
    return (vector / length if length else vector).astype(np.float32)
