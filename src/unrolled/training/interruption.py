"""Ctrl-C, SIGTERM and SIGHUP: the update at hand is finished and saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from unrolled.errors import RunError


class Interrupted(RunError):
    """Training was asked to end; its state is saved. The exit code is the shell's for it, as 130."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class Interruption:
    """Which signal has come, if one has."""

    signal: int | None = None


@contextmanager
def deferred(say: Callable[[str], None]) -> Iterator[Interruption]:
    """Note the first SIGINT, SIGTERM or SIGHUP instead of dying of it; a second one has its usual effect.

    SIGHUP that is ignored, as under ``nohup``, stays so; ``say`` is told of a signal that came.
    Python hands signals to the main thread alone; elsewhere nothing is changed.
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    hang_up = getattr(signal, "SIGHUP", signal.SIGTERM)  # Windows has none
    numbers = (signal.SIGINT, signal.SIGTERM, hang_up)
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    if before.get(hang_up) == signal.SIG_IGN:
        del before[hang_up]

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        noted.signal = number
        put_back()
        with suppress(RuntimeError):  # it came in the middle of another line
            say("interrupted: saving after this step; the same signal again ends at once, unsaved")

    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        put_back()
