"""A contender in another process and environment, with which the runner talks in lines of JSON.

The runner says ``{"do": "prepare", …}`` and gets an object back, then ``{"do": "turn", "least": seconds}``
and gets ``{"seconds": …}``; ``{"error": …}`` answers what cannot be done. Between turns the process is
stopped: some libraries' threads go on spinning, and would share a processor with whoever is measured.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import LEAST

ROOT = Path(__file__).parent.parent
ENVIRONMENT = ROOT / ".venv-peers"
SCRIPTS = Path(__file__).parent / "peers"


class PeerError(Exception):
    """A peer that cannot run, with its reason."""


class Peer:
    """A running process; ``turn`` is a :data:`~benchmarks.measure.Contender`."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        threads = str(torch.get_num_threads())
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **dict.fromkeys(names, threads), **(environment or {})},
        )
        os.sched_setaffinity(self._process.pid, sorted(os.sched_getaffinity(0))[: torch.get_num_threads()])

    def ask(self, **message: Any) -> dict[str, Any]:
        """What the process answers.

        Raises:
            PeerError: it answers with an error, or not at all.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(self._last_words()) from None
        for line in self._process.stdout:
            if line.startswith("{"):  # a library may print lines of its own
                answer = json.loads(line)
                self._process.send_signal(signal.SIGSTOP)
                if "error" in answer:
                    raise PeerError(answer["error"])
                return answer
        raise PeerError(self._last_words())

    def prepare(self, **arguments: Any) -> dict[str, Any]:
        return self.ask(do="prepare", **arguments)

    def turn(self) -> float:
        time.sleep(0.005)  # threads of the one before have gone to sleep by then
        return self.ask(do="turn", least=LEAST)["seconds"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"ended with status {self._process.returncode}"


def python(script: str, **environment: str) -> Peer:
    """``benchmarks/peers/SCRIPT.py`` in the peers' environment.

    Raises:
        PeerError: there is no such environment.
    """
    interpreter = ENVIRONMENT / "bin" / "python"
    if not interpreter.exists():
        raise PeerError(f"{ENVIRONMENT.name} is not there: `make bench` makes it")
    return Peer([interpreter, SCRIPTS / f"{script}.py"], environment)


@cache
def compiled(script: str) -> Path:
    """The program made from ``benchmarks/peers/SCRIPT.cpp`` with the peers' libraries.

    Raises:
        PeerError: the compiler's first error.
    """
    source, program = SCRIPTS / f"{script}.cpp", ROOT / "build" / "benchmarks" / script
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    libraries = ENVIRONMENT / "lib"
    # An rpath rather than a runpath, because the library's own libraries are found by it too.
    options = [
        f"-L{libraries}",
        "-ldnnl",
        f"-Wl,--disable-new-dtags,-rpath,{libraries},--allow-shlib-undefined",
    ]
    command = [os.environ.get("CXX", "g++"), "-std=c++20", "-O2", f"-I{ENVIRONMENT / 'include'}"]
    try:
        subprocess.run(
            [*command, source, "-o", program, *options], check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise PeerError(f"no compiler {command[0]}") from None
    except subprocess.CalledProcessError as error:
        reasons = [line for line in error.stderr.splitlines() if "error" in line]
        raise PeerError(reasons[0] if reasons else error.stderr[-200:]) from None
    return program


def versions(*names: str) -> list[str]:
    """``["jax 0.10.2", …]`` of what is installed in the peers' environment."""
    folders = list((ENVIRONMENT / "lib").glob("python*/site-packages"))
    return [
        f"{name} {path.name.removesuffix('.dist-info').rpartition('-')[2]}"
        for name in names
        for path in (folders[0].glob(f"{name.replace('-', '_')}-*.dist-info") if folders else ())
    ]


def write_arrays(folder: Path, **arrays: torch.Tensor | NDArray[Any]) -> None:
    """Each as the bare float32 numbers of ``folder/NAME.f32``."""
    for name, array in arrays.items():
        value = array.detach().numpy() if isinstance(array, torch.Tensor) else array
        np.ascontiguousarray(value, dtype=np.float32).tofile(folder / f"{name}.f32")


def read_array(folder: Path, name: str, shape: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(folder / f"{name}.f32", dtype=np.float32).reshape(shape))


def warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
