"""``log.jsonl``: one JSON object a line, after every so many updates and each validation; TensorBoard."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

from unrolled.files import to_json, write_whole, writing


class Log:
    """Appends to a run's log, of which the last checkpoint knew ``count`` lines; others are dropped first.

    They are of what an interrupted training did after that checkpoint, and will do again.

    Raises:
        RunError: the disk is full or cannot be written.
    """

    def __init__(self, path: Path, count: int, update: int, *, tensorboard: bool = False) -> None:
        self.path = path
        kept = path.read_bytes().splitlines(keepends=True)[:count] if path.exists() else []
        write_whole(path, b"".join(kept))
        self.count = len(kept)
        """The lines in it."""
        with writing(path):
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the log is)
        self._events = _events(path.parent / "tensorboard", update) if tensorboard else None

    def write(self, **entry: Any) -> None:
        """Append one line; it needs ``update``.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        with writing(self.path):
            self._file.write(to_json(entry) + "\n")
            self._file.flush()
            self.count += 1
            if self._events is not None:
                for key, value in _flat(entry):
                    if key != "update":
                        self._events.add_scalar(key, value, entry["update"])

    def close(self) -> None:
        """Close the files.

        Raises:
            RunError: as :meth:`write`, of what it could not write.
        """
        with writing(self.path):
            self._file.close()
            if self._events is not None:
                self._events.close()


def _flat(entry: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """The numbers of a line as ``dev/bleu``: value."""
    found: list[tuple[str, float]] = []
    for key, value in entry.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((prefix + key, float(value)))
    return found


def _events(folder: Path, update: int) -> Any:
    """A TensorBoard writer, ``None`` without the extra."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the package's own imports.
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(str(folder), purge_step=update + 1)
