"""Ctrl-C and SIGTERM: the update at hand is finished and saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from unrolled.errors import RunError


class Interrupted(RunError):
    """Training was asked to end; its state is saved. The exit code is the shell's for it: 130 or 143."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class Interruption:
    """Which signal has come, if one has."""

    signal: int | None = None


@contextmanager
def deferred() -> Iterator[Interruption]:
    """Note the first SIGINT or SIGTERM instead of dying of it; a second one has its usual effect.

    Python hands signals to the main thread alone; elsewhere nothing is changed.
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        noted.signal = number
        put_back()

    for number in numbers:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        put_back()
