"""Rows of ids on disk, memory-mapped: a corpus larger than memory is read as if it were an array."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unrolled.errors import UserError
from unrolled.files import sync_folder, writing

_NAMES = ("ids.npy", "offsets.npy")


class IdStore:
    """Rows of ids, ragged: row ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.

    A store is a folder of two NumPy files: ``ids.npy``, in the smallest unsigned type that holds the
    vocabulary, and ``offsets.npy``, int64, one more than there are rows.
    """

    def __init__(self, ids: NDArray[np.unsignedinteger], offsets: NDArray[np.int64]) -> None:
        self.ids = ids
        self.offsets = offsets

    @staticmethod
    def write(path: str | Path, arrays: Iterable[ArrayLike], size: int | None = None) -> IdStore:
        """Write rows, streamed, and open them; ``size`` is the vocabulary's (uint32 when not given)."""
        with StoreWriter(path, size) as writer:
            for array in arrays:
                writer.add([np.asarray(array)])
        return IdStore.open(path)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Map a store; nothing is read yet.

        Raises:
            UserError: it is missing or damaged.
        """
        files = [Path(path) / name for name in _NAMES]
        again = f"delete {Path(path).parent} to prepare the data again"
        for file in files:
            if not file.is_file():
                raise UserError(f"{file}: missing; {again}")
        try:
            ids, offsets = (_map(file) for file in files)
            whole = ids.ndim == 1 and offsets.ndim == 1 and int(offsets[-1]) == len(ids)
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise UserError(f"{path}: damaged ({error}); {again}") from None
        if not whole:
            raise UserError(f"{path}: damaged (ids and offsets differ); {again}")
        return cls(ids, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.unsignedinteger]:
        if row < 0:
            row += len(self)
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[NDArray[np.unsignedinteger]]:
        return (self[row] for row in range(len(self)))

    def rows(self, indices: ArrayLike) -> list[NDArray[np.unsignedinteger]]:
        """The rows of these numbers, as views."""
        return [self[row] for row in np.asarray(indices).tolist()]

    @property
    def lengths(self) -> NDArray[np.int32]:
        """The length of each row, int32."""
        return np.diff(self.offsets).astype(np.int32)


class StoreWriter:
    """Writes a store row by row; it appears under its name when complete, or not at all.

    As a context manager: leaving it normally completes the store, leaving by an exception removes what was
    written.
    """

    def __init__(self, path: str | Path, size: int | None = None) -> None:
        self._path = Path(path)
        self._temporary = self._path.with_name(self._path.name + ".tmp")
        with writing(self._path):
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary.mkdir(parents=True)
            self._ids = _Column(self._temporary / _NAMES[0], smallest_type(size))
            self._offsets = _Column(self._temporary / _NAMES[1], np.int64)
            self._offsets.extend(np.zeros(1, dtype=np.int64))

    def add(self, rows: Sequence[NDArray[np.integer]], end: int | None = None) -> None:
        """Append rows of ids, each with the id ``end`` after it if one is given.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        if not rows:
            return
        ids, ends = np.concatenate(rows), np.cumsum([len(row) for row in rows], dtype=np.int64)
        if end is not None:
            ids = np.insert(ids, ends, end)
            ends += np.arange(1, len(rows) + 1)
        ends += self._ids.count
        with writing(self._path):
            self._ids.extend(ids)
            self._offsets.extend(ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._path):
            self._ids.close()
            self._offsets.close()
            if error is None:
                shutil.rmtree(self._path, ignore_errors=True)
                self._temporary.rename(self._path)
                sync_folder(self._path.parent)
        if error is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


class _Column:
    """A one-dimensional .npy file that grows; its header, of fixed length, is completed at the end."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._file = path.open("wb", buffering=0)
        self._dtype = np.dtype(dtype)
        self.count = 0
        self._header()

    def _header(self) -> None:
        described = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.count,)}
        npy.write_array_header_1_0(self._file, described)

    def extend(self, values: NDArray[np.integer]) -> None:
        left = memoryview(values.astype(self._dtype, copy=False).tobytes())
        while left:  # an almost full disk takes a part
            left = left[self._file.write(left) :]
        self.count += len(values)

    def close(self) -> None:
        with self._file:
            self._file.seek(0)
            self._header()  # NumPy leaves room in it for any length
            os.fsync(self._file.fileno())


def smallest_type(size: int | None) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned integer type that holds ids below ``size``; uint32 when the size is not known."""
    return np.dtype(np.uint32) if size is None else np.min_scalar_type(max(size - 1, 0))


def _map(path: Path) -> NDArray:
    # An empty array cannot be mapped.
    array = np.load(path, mmap_mode=None if path.stat().st_size <= 128 else "r", allow_pickle=False)
    return np.asarray(array)
