"""Trains the toy task again and again, killing it at random moments.

``kill.py RECIPE FOLDER RUNS KILLS SEED [key=value …]`` kills each of RUNS trainings KILLS times and then lets
it end, in FOLDER/killed<n>; prints how many kills met a training under way. Each training is a fork of this
program, so that importing torch is paid once; the program itself never computes, so its forks begin clean.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch._dynamo  # noqa: F401 (imported late by torch otherwise, by each fork for itself)
import toy  # noqa: F401 (registers the task)

from unrolled.errors import UserError
from unrolled.training import train


def child(recipe: str, run: Path, overrides: list[str]) -> int:
    """A process that trains; answers its id."""
    process = os.fork()
    if process:
        return process
    try:
        train(recipe, run, overrides=overrides, threads=1, progress=False)
        os._exit(0)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        os._exit(error.exit_code)
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        os._exit(70)


def ended(process: int) -> int:
    """Waits; answers the exit code, the signal's negative number for a killed process."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code > 0:
        sys.exit(code)
    return code


def main() -> None:
    recipe, folder, runs, kills, seed, *overrides = sys.argv[1:]
    choose, killed = random.Random(int(seed)), 0
    begun = time.monotonic()
    ended(child(recipe, Path(folder) / "killed0", overrides))
    whole = time.monotonic() - begun
    for number in range(1, int(runs) + 1):
        run = Path(folder) / f"killed{number}"
        for _ in range(int(kills)):
            process = child(recipe, run, overrides)
            time.sleep(choose.uniform(0, whole / 2))
            os.kill(process, signal.SIGKILL)
            killed += ended(process) == -signal.SIGKILL
        ended(child(recipe, run, overrides))
    print(killed)


if __name__ == "__main__":
    main()
