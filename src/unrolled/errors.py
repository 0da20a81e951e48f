"""What goes wrong because of something the user gave us, said in one line.

Every error a user can cause is a :class:`UserError`: its text names the file and line, the key or the
option, and what to do. The command line prints that line and exits with the error's ``exit_code``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Something in what the user gave is wrong: a file, a line, a key, an option. Exit code 2."""

    exit_code = 2


class RunError(UserError):
    """Something failed while running: a full disk, a loss that diverged. Exit code 1."""

    exit_code = 1


def at(path: str | Path, line: int | None = None) -> str:
    """``file``, or ``file:line`` (lines count from 1), as every message names a place."""
    return f"{path}:{line}" if line is not None else str(path)


def counted(number: int, noun: str) -> str:
    """``1 line``, ``2 lines``: a number and what it counts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A short hint for a mistyped name: ``did you mean 'hidden'?``, else the list of known names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(sorted(known))
