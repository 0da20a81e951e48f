"""Whether the files that a run was prepared from have changed since: it goes on with what they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from unrolled.errors import UserError
from unrolled.files import write_whole
from unrolled.text import archive_of
from unrolled.text.settings import Located

_KEYS = ("train", "dev", "test", "captions")
Stamps = dict[str, list[int]]
"""Of each path the bytes and the time of the last change, in nanoseconds; of a folder, of all files in it."""


def stamps(data: object) -> Stamps:
    """What there is now of the files and folders that a recipe's ``[data]`` names."""
    found: Stamps = {}
    for path in _paths(data) if isinstance(data, Located) else ():
        files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
        with suppress(OSError):
            seen = [file.stat() for file in files]
            latest = max((each.st_mtime_ns for each in seen), default=0)
            found[str(path)] = [sum(each.st_size for each in seen), latest]
    return found


def _paths(data: Located) -> Iterator[Path]:
    for key in _KEYS:
        named = getattr(data, key, None) or ()
        for name in [named] if isinstance(named, str) else named:
            with suppress(UserError):  # of a variable that is no longer set
                path = data.path(name)
                yield archive_of(path) or path


def record(cache: Path, found: Stamps) -> None:
    """Keep them beside what was prepared."""
    if found:
        write_whole(cache / "sources.json", json.dumps(found, indent=1).encode())


def changed(cache: Path, found: Stamps) -> list[str]:
    """The paths that were others when they were recorded, or stand for files of another size elsewhere."""
    try:
        before = json.loads((cache / "sources.json").read_text(encoding="utf-8"))
        sizes = {size for size, _ in before.values()}
        return [
            path
            for path, stamp in found.items()
            if (stamp != before[path] if path in before else stamp[0] not in sizes)
        ]
    except (OSError, ValueError, AttributeError, TypeError):
        return []
