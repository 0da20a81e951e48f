"""What an encoder made of pictures, on disk by the content of their files, memory-mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UserError
from unrolled.files import write_whole, writing
from unrolled.pictures.encoders import Encoder, Regions
from unrolled.pictures.reading import BadPicture

CHUNK = 32
"""Pictures read, encoded and written together: what an interruption loses at most."""


class FeatureStore:
    """Regions by the SHA-256 of the file they are of: a picture is encoded once, whatever it is called.

    A folder of ``encoder.json``, whose vectors they are; ``vectors``, one region after another; and
    ``index.jsonl``, a line ``[sha256, rows, columns]`` a picture, written after its vectors. A pass that was
    interrupted goes on where it was.

    Raises:
        UserError: the folder holds another encoder's vectors, or is damaged.
    """

    def __init__(self, path: str | Path, encoder: Encoder) -> None:
        self.path = Path(path)
        self.encoder = encoder
        self._dtype = np.dtype(encoder.dtype)
        self._index = self.path / "index.jsonl"
        self._vectors = self.path / "vectors"
        self._rows: dict[str, int] = {}
        self._shapes: list[tuple[int, int]] = []
        self._starts = [0]
        self._open()

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, row: int) -> Regions:
        start, stop = self._starts[row], self._starts[row + 1]
        return Regions(self._map[start:stop], *self._shapes[row])

    def add(
        self,
        paths: Iterable[str | Path],
        *,
        bad: Callable[[int, BadPicture], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[int | None]:
        """The row of each picture, encoding those that are new.

        Args:
            bad: told of each file that is no usable picture, by its place, and its row is then ``None``; not
                given, the first one is an error.
            progress: called with the number of pictures done so far.

        Raises:
            BadPicture: a file is missing or no usable picture; RunError: the disk is full.
        """
        rows: list[int | None] = []
        for chunk in _chunks(paths):
            keys: list[str | None] = []
            waiting: dict[str, NDArray[Any]] = {}
            for path in chunk:
                try:
                    data = read_bytes(path)
                    key = hashlib.sha256(data).hexdigest()
                    if key not in self._rows and key not in waiting:
                        waiting[key] = self.encoder.read(data, path)
                    keys.append(key)
                except BadPicture as error:
                    if bad is None:
                        raise
                    bad(len(rows) + len(keys), error)
                    keys.append(None)
            if waiting:
                self._append(list(waiting), self.encoder.encode(list(waiting.values())))
            rows += [None if key is None else self._rows[key] for key in keys]
            if progress is not None:
                progress(len(rows))
        self._remap()
        return rows

    def _append(self, keys: Sequence[str], found: Sequence[Regions]) -> None:
        lines = [json.dumps([key, each.rows, each.columns]) for key, each in zip(keys, found, strict=True)]
        with writing(self.path):
            with self._vectors.open("ab") as file:
                file.write(b"".join(each.vectors.astype(self._dtype).tobytes() for each in found))
            with self._index.open("a", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in lines))
        for key, each in zip(keys, found, strict=True):
            self._enter(key, each.rows, each.columns)

    def _enter(self, key: str, rows: int, columns: int) -> None:
        self._rows[key] = len(self._shapes)
        self._shapes.append((rows, columns))
        self._starts.append(self._starts[-1] + rows * columns)

    def _open(self) -> None:
        about = self.path / "encoder.json"
        mine = {"encoder": self.encoder.name, "features": self.encoder.feature_size, "type": self._dtype.name}
        if not about.exists():
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                self._vectors.write_bytes(b"")
                self._index.write_bytes(b"")
                write_whole(about, json.dumps(mine).encode())
        try:
            theirs = json.loads(about.read_text(encoding="utf-8"))
            *lines, rest = self._index.read_text(encoding="utf-8").split("\n")
            for line in lines:
                self._enter(*json.loads(line))
            size = self._starts[-1] * self.encoder.feature_size * self._dtype.itemsize
            damaged = size > self._vectors.stat().st_size
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{self.path}: damaged ({error}); delete it to encode the pictures again"
            ) from None
        if theirs != mine:
            raise UserError(
                f"{self.path}: holds vectors of {theirs}, not of {mine}; delete it to encode the pictures"
                " again"
            )
        if damaged:
            raise UserError(
                f"{self.path}: damaged (vectors are missing); delete it to encode the pictures again"
            )
        if rest or size < self._vectors.stat().st_size:  # an interruption came between two writes
            with self._vectors.open("ab") as file:
                file.truncate(size)
            write_whole(self._index, "".join(line + "\n" for line in lines).encode())
        self._remap()

    def _remap(self) -> None:
        shape = (self._starts[-1], self.encoder.feature_size)
        # An empty file cannot be mapped.
        self._map = np.memmap(self._vectors, self._dtype, "r", shape=shape) if len(self) else np.zeros(shape)


def read_bytes(path: str | Path) -> bytes:
    """A picture file's content.

    Raises:
        BadPicture: it is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadPicture(
            f"{path}: {'no such file' if isinstance(error, FileNotFoundError) else error.strerror}"
        ) from None


def _chunks(paths: Iterable[str | Path]) -> Iterator[list[str | Path]]:
    iterator = iter(paths)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
