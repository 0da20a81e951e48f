"""Distinct words: what a text is made of, each known as a whole and by the characters that spell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.text.store import IdStore
from unrolled.text.tokenizer import Ids, Tokenizer


class Numbers(defaultdict[str, int]):
    """A number for each distinct word, in the order in which they are first asked for."""

    def __init__(self) -> None:
        super().__init__(self.__len__)

    def of(self, words: Iterable[str]) -> Ids:
        """The number of each word."""
        return np.array([self[word] for word in words], dtype=np.int32)


@dataclass(frozen=True)
class Forms:
    """Distinct words by number: the id of each as a whole, and the ids of its characters.

    One more stands after them: the end of a text, which has no characters.
    """

    words: NDArray[np.integer]
    characters: Sequence[NDArray[np.integer]] | IdStore

    @classmethod
    def spelled(cls, forms: Iterable[str], words: Tokenizer, characters: Tokenizer) -> Forms:
        """Look words up."""
        listed = list(forms)
        # Each by itself: CoNLL-U has words with spaces, and a normal form may put one into a word.
        found = [ids[0] if len(ids) == 1 else words.unk for ids in words.encode_many(listed)]
        ids = np.array([*found, words.eos], dtype=np.int32)
        return cls(ids, [*characters.encode_many(listed), np.empty(0, dtype=np.int32)])

    @classmethod
    def whole(cls, tokens: Tokenizer) -> Forms:
        """Tokens that no characters are asked of: their numbers are their ids."""
        empty = np.empty(0, dtype=np.int32)
        return cls(np.append(np.arange(tokens.size), tokens.eos), [empty] * (tokens.size + 1))

    @property
    def end(self) -> int:
        """The number of the end of a text."""
        return len(self.words) - 1

    def write(self, folder: Path) -> None:
        """Keep them in two stores below ``folder``."""
        IdStore.write(folder / "words", [self.words])
        IdStore.write(folder / "characters", self.characters)

    @classmethod
    def open(cls, folder: Path) -> Forms:
        """What :meth:`write` kept.

        Raises:
            UserError: it is missing or damaged.
        """
        return cls(IdStore.open(folder / "words")[0], IdStore.open(folder / "characters"))
