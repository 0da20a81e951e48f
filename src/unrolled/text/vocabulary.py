"""Names ↔ ids where every name is known beforehand: a classifier's labels, a tagger's tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.errors import UserError, nearest
from unrolled.files import write_whole


class Vocabulary:
    """Names and their ids, 0 to n − 1; an unknown name is an error."""

    def __init__(self, names: Iterable[str]) -> None:
        """Number ``names`` in their order.

        Raises:
            ValueError: a name stands twice.
        """
        self.names = list(names)
        self._ids = {name: i for i, name in enumerate(self.names)}
        if len(self._ids) != len(self.names):
            raise ValueError("a name stands twice")

    @classmethod
    def of(cls, names: Iterable[str]) -> Vocabulary:
        """The distinct names, in alphabetical order (of code points).

        Raises:
            UserError: there are none.
        """
        distinct = sorted(set(names))
        if not distinct:
            raise UserError("no labels in the training data: it is empty")
        return cls(distinct)

    def id(self, name: str, place: str = "") -> int:
        """The id of a name.

        Args:
            place: ``file:line``, for the complaint.

        Raises:
            UserError: the name is not among them; the nearest is named.
        """
        found = self._ids.get(name)
        if found is None:
            where = f"{place}: " if place else ""
            raise UserError(f"{where}label {name!r} is none of the run's labels; {nearest(name, self.names)}")
        return found

    def encode(self, names: Iterable[str], place: str = "") -> NDArray[np.int32]:
        """The ids of names, int32.

        Raises:
            UserError: as :meth:`id`.
        """
        return np.array([self.id(name, place) for name in names], dtype=np.int32)

    def decode(self, ids: ArrayLike) -> list[str]:
        """The names of ids."""
        return [self.names[i] for i in np.asarray(ids, dtype=np.int64).tolist()]

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        content = {"names": self.names, "unknown": None}  # as runs have it, whose files are compared
        write_whole(Path(path), (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Read a file that :meth:`save` wrote.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not all(isinstance(name, str) for name in content["names"]):
                raise ValueError("a name is no text")
            return cls(content["names"])
        except FileNotFoundError:
            raise UserError(f"{path}: no such vocabulary file") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a vocabulary of unrolled, or damaged ({error})") from None
