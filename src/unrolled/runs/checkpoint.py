"""What resuming needs, written whole or not at all and checked before it is used.

A checkpoint is a folder named by its update, ``state/00001200/``: tensors in ``state.safetensors``, the rest
in ``state.json``. It is made under a temporary name, forced to disk, renamed, and the rename forced to disk,
so a folder with a number for a name was once complete; checksums tell whether it still is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from unrolled.errors import RunError, UserError
from unrolled.files import sync_folder, write_synced, writing
from unrolled.runs.weights import encode, mapped_tensors

TENSORS, RECORD = "state.safetensors", "state.json"
_TEMPORARY = ".tmp-"


class Checkpoint(NamedTuple):
    """The state of a training after ``step`` updates; one that was read has mapped tensors."""

    step: int
    tensors: dict[str, Tensor]
    record: dict[str, Any]


def save(
    folder: Path, step: int, tensors: Mapping[str, Tensor], record: Mapping[str, Any], *, keep: int = 2
) -> None:
    """Write ``folder/<step>`` and remove all but the last ``keep`` checkpoints up to it.

    Raises:
        RunError: the disk is full or cannot be written; the checkpoints that were there are untouched.
    """
    target = folder / f"{step:08d}"
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))
        try:
            write_synced(temporary / TENSORS, encode(tensors))
            write_synced(temporary / RECORD, _seal(record))
            sync_folder(temporary)
            if target.exists():
                # One of the same update that was found damaged: training came past it again.
                target.rename(folder / f"{_TEMPORARY}{target.name}")
            temporary.rename(target)
            sync_folder(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        there = numbered(folder)
        # Those of later updates could not be read and do not count; training will come past them again.
        for old in there[: max(0, there.index(target) + 1 - keep)]:
            # Renamed first, so that one removed half is never taken for a damaged one.
            old.rename(folder / f"{_TEMPORARY}{old.name}")
        _sweep(folder)


def latest(folder: Path, report: Callable[[str], None] = lambda line: None) -> Checkpoint | None:
    """The last checkpoint whose checksums agree, or ``None`` when none was ever written.

    ``report`` is told of each damaged one that was passed over.

    Raises:
        RunError: there are checkpoints, and all are damaged.
    """
    damaged = []
    for path in reversed(numbered(folder)):
        try:
            checkpoint = read(path)
        except UserError as error:
            damaged.append(f"{error}")
            continue
        for line in damaged:
            report(f"{line}; going on from the one before it, update {checkpoint.step}")
        return checkpoint
    if damaged:
        raise RunError(
            f"{folder}: no usable checkpoint ({'; '.join(damaged)}): put back a copy, or train into a new"
            " folder"
        )
    return None


def read(path: Path) -> Checkpoint:
    """The checkpoint in the folder ``path``.

    Raises:
        UserError: a file of it is missing or damaged.
    """
    try:
        record = _open_seal((path / RECORD).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path / RECORD}: missing") from None
    except (OSError, ValueError):
        raise UserError(f"{path / RECORD}: damaged: its checksum differs from the recorded one") from None
    return Checkpoint(int(path.name), mapped_tensors(path / TENSORS), record)


def numbered(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, earliest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if p.name.isdigit()), key=lambda path: int(path.name))


def _sweep(folder: Path) -> None:
    """Remove what an interrupted writer left."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            shutil.rmtree(path)


def _seal(record: Mapping[str, Any]) -> bytes:
    body = json.dumps(record, sort_keys=True)
    return json.dumps(
        {"sha256": hashlib.sha256(body.encode()).hexdigest(), "record": record}, indent=1
    ).encode()


def _open_seal(data: bytes) -> dict[str, Any]:
    content = json.loads(data)
    if not isinstance(content, dict) or not isinstance(content.get("record"), dict):
        raise ValueError("no record")
    body = json.dumps(content["record"], sort_keys=True)
    if hashlib.sha256(body.encode()).hexdigest() != content.get("sha256"):
        raise ValueError("checksum")
    return content["record"]
