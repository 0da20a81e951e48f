"""Cutting text into ids on all processors.

Python cuts words on one processor at a time, so where there is much of them other processes do it: each is
given lines and answers with ids. They are programs of their own; those of ``multiprocessing`` would run the
caller's script again.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError

T = TypeVar("T")
Rows = list[NDArray[np.int32]]
_SERVE = (
    # Whoever asks is interrupted too, and closes the pipe.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    "from unrolled.text.workers import serve; serve()"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


class Workers:
    """Processes that each hold the same encoders, one a field; they end when the block is left.

    Args:
        encoders: what has ``encode_many`` and can be pickled.
        count: how many processes.
    """

    def __init__(self, encoders: Sequence[Any], count: int) -> None:
        self._encoders = list(encoders)
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            with suppress(OSError):
                _pipe(process.stdin).close()  # a worker ends where its input does
            _pipe(process.stdout).close()
        for process in self._processes:
            process.wait()

    def encode(self, chunks: Iterable[tuple[T, Sequence[Sequence[str]]]]) -> Iterator[tuple[T, list[Rows]]]:
        """Each chunk's name and, of the lines of each of its fields, the ids; in order.

        Each process has one chunk at a time, so that never is more than that in memory, and no process waits
        to write what nobody reads.

        Raises:
            RunError: a process has ended.
        """
        busy: deque[tuple[T, subprocess.Popen[bytes]]] = deque()
        for name, fields in chunks:
            if len(busy) == self._count:
                before, process = busy.popleft()
                yield before, _answer(process)
            else:
                process = self._next(len(busy))
            _ask(process, pickle.dumps([list(lines) for lines in fields], pickle.HIGHEST_PROTOCOL))
            busy.append((name, process))
        for name, process in busy:
            yield name, _answer(process)

    def _next(self, index: int) -> subprocess.Popen[bytes]:
        """A process that was given the encoders; the first that is asked for starts all of them."""
        if not self._processes:
            path = os.pathsep.join(str(place) or os.getcwd() for place in sys.path)
            for _ in range(self._count):
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _SERVE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
                )
                self._processes.append(process)
        _ask(self._processes[index], pickle.dumps(self._encoders, pickle.HIGHEST_PROTOCOL))
        return self._processes[index]


def _ask(process: subprocess.Popen[bytes], what: bytes) -> None:
    try:
        _pipe(process.stdin).write(what)
        _pipe(process.stdin).flush()
    except OSError:
        raise _ended(process) from None


def _answer(process: subprocess.Popen[bytes]) -> list[Rows]:
    try:
        return [_unpack(*packed) for packed in pickle.load(_pipe(process.stdout))]
    except (EOFError, pickle.UnpicklingError):
        raise _ended(process) from None


def _ended(process: subprocess.Popen[bytes]) -> RunError:
    process.kill()
    code = process.wait()
    why = " (killed: no memory left?)" if code == -9 else ""
    return RunError(f"a process that turned text into ids ended with code {code}{why}")


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def serve() -> None:
    """What a worker does: it is given encoders, then chunks as long as there are any."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    with suppress(EOFError, pickle.UnpicklingError, OSError):  # whoever asked has gone, in the middle perhaps
        encoders = pickle.load(asked)
        while True:
            fields = pickle.load(asked)
            found = [_pack(each.encode_many(lines)) for each, lines in zip(encoders, fields, strict=True)]
            answers.write(pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
            answers.flush()
    os._exit(0)  # without a last attempt to write to a pipe that is closed


def _pack(rows: Rows) -> tuple[NDArray[np.int32], list[int]]:
    """Rows as one array, and the borders between them."""
    return np.concatenate([np.empty(0, np.int32), *rows]), np.cumsum([0, *map(len, rows)]).tolist()


def _unpack(ids: NDArray[np.int32], borders: list[int]) -> Rows:
    return [ids[begin:end] for begin, end in pairwise(borders)]
