"""How a training is shown: a bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress
from types import TracebackType
from typing import IO, Self, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Show:
    """Shows a training.

    Args:
        enabled: off, only :meth:`say` shows anything.
    """

    def __init__(self, enabled: bool = True, console: Console | None = None) -> None:
        self._console = console or Console(
            file=cast("IO[str]", _Lasting(sys.stderr)), highlight=False, soft_wrap=True
        )
        self._enabled = enabled
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._preparing = ""
        if enabled and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[figures]}"),
                TimeRemainingColumn(compact=True),
                console=self._console,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line, whatever is shown besides."""
        self._console.print(line, markup=False)

    def prepare(self, what: str, share: float) -> None:
        """A :data:`unrolled.tasks.task.Progress`: how far the data is; what is done stays to be read."""
        if self._bar is not None and share == 1:
            self.say(what)
        elif self._bar is not None:
            self._turn_to(what, 100)
            self._bar.update(self._task_id(), completed=100 * share)
        stage = re.sub(r"[\d.,]+", "", what)  # A count that moves is for a bar.
        if self._enabled and self._bar is None and stage != self._preparing:
            self.say(what)
        self._preparing = stage

    def update(self, update: int, total: int, epoch: int, loss: float, rate: float) -> None:
        """Move the bar to ``update``: loss in nats a prediction, rate in tokens a second."""
        if self._bar is not None:
            self._turn_to("training", total)
            figures = f"epoch {epoch + 1}  loss {loss:.3f}  {rate:,.0f} tokens/s"
            self._bar.update(self._task_id(), completed=update, total=total, figures=figures)

    def logged(self, update: int, total: int, epoch: int, loss: float, rate: float, left: float) -> None:
        """A line for each line of the log, where there is no bar; ``left`` in seconds."""
        if self._enabled and self._bar is None:
            self.say(
                f"update {update}/{total}  epoch {epoch + 1}  loss {loss:.3f}  {rate:,.0f} tokens/s"
                f"  {_time(left)} left"
            )

    def validated(self, update: int, scores: dict[str, float], best: bool) -> None:
        """A line for each validation."""
        if self._enabled:
            figures = "  ".join(f"{name} {value:.4g}" for name, value in scores.items())
            self.say(f"update {update}  dev  {figures}{'  (best)' if best else ''}")

    def _turn_to(self, what: str, total: int) -> None:
        assert self._bar is not None
        if self._task is None or self._bar.tasks[-1].description != what:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(what, total=total, figures="")

    def _task_id(self) -> TaskID:
        assert self._task is not None
        return self._task


class _Lasting(io.TextIOBase):
    """A stream whose reader may go away, as a terminal or ``tee`` does: what it is not shown is all that is
    lost, where rich would end the process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError:
            self._silence()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._silence()

    def _silence(self) -> None:
        with suppress(OSError, ValueError):  # not a file, as in a test
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
