"""Lines in and lines out: in order, one for one, and at once when someone is waiting."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from queue import Empty, Queue
from typing import BinaryIO

from unrolled.errors import UserError

CHUNK = 1024
"""Lines handed on together at most."""
PATIENCE = 0.01
"""Seconds to wait for a further line before those at hand are answered."""

_END = None


def chunks(file: str) -> Iterator[list[str]]:
    """The lines of a file, or with ``"-"`` of standard input, in chunks.

    A file gives full chunks. Standard input gives what has come so far, so that a line typed by hand is
    answered before the next one; it is read ahead while the chunk before is answered.

    Raises:
        UserError: a missing file, standard input that is closed, or text that is not UTF-8: file and line.
    """
    if file != "-":
        from unrolled.text.corpus import read_lines

        lines = read_lines(file)
        while chunk := list(islice(lines, CHUNK)):
            yield chunk
        return
    yield from _as_they_come(_standard_input(), "standard input")


def check_once(*files: str) -> None:
    """Refuse to read standard input for two files.

    Raises:
        UserError: it is named twice.
    """
    if files.count("-") > 1:
        raise UserError("standard input (-) can be read only once: give a FILE for the other")


def all_lines(file: str) -> list[str]:
    """Every line of a file or of standard input.

    Raises:
        UserError: as :func:`chunks`.
    """
    return [line for chunk in chunks(file) for line in chunk]


def print_line(text: str) -> None:
    """One line on standard output, at once; line breaks within it become spaces."""
    print(text.replace("\n", " "), flush=True)


def _standard_input() -> BinaryIO:
    """A door of its own: at exit Python takes the lock of ``sys.stdin``, which a waiting reader holds.

    Raises:
        UserError: it is closed.
    """
    if sys.stdin is None:
        raise UserError("standard input is closed: give a FILE")
    try:
        return open(os.dup(sys.stdin.fileno()), "rb")
    except (OSError, ValueError):  # not a file, as in a test or a notebook
        return sys.stdin.buffer


def _as_they_come(stream: BinaryIO, name: str) -> Iterator[list[str]]:
    waiting: Queue[str | UserError | None] = Queue(maxsize=4 * CHUNK)
    threading.Thread(target=_read, args=(stream, name, waiting), daemon=True).start()
    while True:
        item = waiting.get()
        chunk: list[str] = []
        while isinstance(item, str):
            chunk.append(item)
            if len(chunk) == CHUNK:
                break
            try:
                item = waiting.get(timeout=PATIENCE)
            except Empty:
                break
        if chunk:
            yield chunk  # what came before a mistake is still answered
        if isinstance(item, UserError):
            raise item
        if item is _END:
            return


def _read(stream: BinaryIO, name: str, waiting: Queue[str | UserError | None]) -> None:
    from unrolled.text.corpus import decoded

    try:
        for line in decoded(stream, name):
            waiting.put(line)
    except UserError as error:
        waiting.put(error)
    except OSError as error:
        waiting.put(UserError(f"{name}: cannot be read ({error.strerror})"))
    else:
        waiting.put(_END)
    finally:
        if stream is not sys.stdin.buffer:
            stream.close()
