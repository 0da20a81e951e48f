"""Files written whole or not at all: whoever looks, at whatever moment, finds the old content or the new."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unrolled.errors import RunError, UserError

Buffer = bytes | memoryview
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system answers where nothing more can be written."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure of the operating system into one line that names ``path``.

    Raises:
        RunError: no space left, no permission, a read-only file system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            advice = "; what was saved before is intact: free some space, then give the same command again"
        else:
            advice = ""
        raise RunError(f"{path}: cannot write: {error.strerror or error}{advice}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` (a rename, a new file) survive a loss of power."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes | Iterable[Buffer]) -> None:
    """Write a file, whole or piece by piece, and wait until the disk has it."""
    with open(path, "wb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes | Iterable[Buffer]) -> None:
    """Replace the file at ``path`` by ``data``: temporary file, fsync, rename, fsync of the folder.

    A link stays one, to the new content; what is no file, such as ``/dev/stdout``, is written to.

    Raises:
        RunError: the disk is full or cannot be written; the file that was there is untouched.
    """
    with writing(path):
        if path.exists() and not path.is_file():
            with open(path, "wb") as special:
                special.writelines([data] if isinstance(data, bytes) else data)
            return
        path = Path(os.path.realpath(path))
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(descriptor)
        try:
            write_synced(Path(name), data)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        sync_folder(path.parent)


def check_output(path: str | Path, endings: Sequence[str]) -> Path:
    """The path, when a file can be written there: to be asked before a long computation, not after it.

    Raises:
        UserError: another ending, or a folder that is itself named, does not exist or cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() not in endings:
        raise UserError(f"{path}: give a file that ends in {', '.join(endings)}")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give a file's name")
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{path}: cannot be written: no permission; give another place")
    return path


def left_over(path: Path) -> bool:
    """Whether a process was killed while :func:`write_whole` wrote this; nobody was ever given it."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _umask() -> int:
    """The process's file mode mask (there is no way to read it without setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON with every script as it is; not-a-number and infinities, which JSON lacks, become null."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays, tensors and their numbers
        value = value.tolist()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str | int | bool) or value is None:
        return value
    return str(value)
