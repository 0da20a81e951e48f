"""A run is a folder. What is in it, which version of it this is, and who may write to it.

::

    RUN/format_version  recipe.toml  model.safetensors  tokenizer.*.json  cache/  log.jsonl  scores.json
        state/00001200/{state.safetensors,state.json}  lock
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.errors import RunError, UserError
from unrolled.files import left_over, to_json, write_whole, writing

if TYPE_CHECKING:
    from unrolled.metrics import Score

FORMAT_VERSION = 1
"""The layout above. A change that an older version would misread raises it."""


class RunFolder:
    """The paths of a run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.toml"
        self.model = self.path / "model.safetensors"
        self.state = self.path / "state"
        self.log = self.path / "log.jsonl"
        self.scores = self.path / "scores.json"
        self._version = self.path / "format_version"
        self._lock = self.path / "lock"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def tokenizers(self) -> dict[str, Path]:
        """The tokenizer files by name."""
        return {path.name: path for path in sorted(self.path.glob("tokenizer.*.json"))}

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self._version.exists()

    def create(self) -> None:
        """Make the folder and say its version; an existing run is left as it is.

        Raises:
            UserError: the path is a file, or a folder that holds something else.
            RunError: it cannot be written.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self}: is a file: give another folder for the run")
        if not self.exists:
            entries = self.path.iterdir() if self.path.is_dir() else ()
            if any(entry.name != "lock" and not left_over(entry) for entry in entries):
                raise UserError(f"{self}: holds something that is not a run: give an empty or a new folder")
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            write_whole(self._version, f"{FORMAT_VERSION}\n".encode())
        self.check()

    def check(self) -> None:
        """Refuse what is no run of this version.

        Raises:
            UserError: no such folder, not a run, or another format version.
        """
        if not self.path.is_dir():
            raise UserError(f"{self}: no such run folder")
        if not self.exists:
            raise UserError(f"{self}: not a run folder: it has no file format_version")
        try:
            version = int(self._version.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError(f"{self._version}: damaged: it should hold the number {FORMAT_VERSION}") from None
        if version != FORMAT_VERSION:
            raise UserError(
                f"{self}: has format version {version}, this unrolled reads {FORMAT_VERSION}:"
                f" {'upgrade unrolled' if version > FORMAT_VERSION else 'train it again'}"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one training. However the process ends, the operating system lets go of it.

        Raises:
            RunError: another training holds it.
        """
        try:
            import fcntl
        except ImportError:  # Not on Windows; there two trainings are not kept apart.
            yield
            return
        with writing(self._lock):
            self.path.mkdir(parents=True, exist_ok=True)
            file = open(self._lock, "w")  # noqa: SIM115 (closed below, which gives the lock back)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunError(
                    f"{self}: another training is writing to this run: wait for it or end it"
                ) from None
            yield
        finally:
            file.close()

    def written(self) -> int:
        """When the best weights were written, in nanoseconds; 0 where there are none."""
        return self.model.stat().st_mtime_ns if self.model.exists() else 0

    def read_scores(self) -> dict[str, Any]:
        """What ``scores.json`` holds; empty when it is missing or damaged (evaluating writes it again)."""
        try:
            scores = json.loads(self.scores.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return scores if isinstance(scores, dict) else {}

    def write_scores(self, split: str, scores: Mapping[str, Score], **about: Any) -> None:
        """Record the scores of one split beside those of others, of the same update.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        plain = {name: score.as_dict() for name, score in scores.items()}
        known = self.read_scores()
        if "update" in about and known.get("update") != about["update"]:
            known = {}  # of other weights
        content = {**known, **about, split: plain}
        write_whole(self.scores, (to_json(content, indent=2) + "\n").encode())
