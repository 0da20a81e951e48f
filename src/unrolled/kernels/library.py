"""Finds and loads the native library; torch-free.

``UNROLLED_KERNELS=reference`` switches the kernels off; ``UNROLLED_INSTRUCTION_SET=avx2`` or ``baseline``
makes them use less than the processor offers. Both are read when the library is first loaded.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from unrolled.errors import RunError, UserError

_PATH = Path(__file__).with_name("libunrolled_kernels.so")
_RUNTIMES = ("libgomp", "libiomp5", "libomp")


@cache
def _open() -> tuple[ctypes.CDLL | None, str | None]:
    """The library, or why there is none."""
    choice = os.environ.get("UNROLLED_KERNELS", "native")
    if choice not in ("native", "reference"):
        raise UserError(f"UNROLLED_KERNELS={choice!r}: choose one of 'native', 'reference'")
    if choice == "reference":
        return None, "UNROLLED_KERNELS=reference"
    if not _PATH.exists():
        return None, "not built: a C++ compiler was missing when the package was installed"
    try:
        library = ctypes.CDLL(str(_PATH))
    except OSError as error:
        return None, f"cannot be loaded: {error}"
    library.unrolled_instruction_set.restype = ctypes.c_char_p
    return library, None


def load() -> ctypes.CDLL | None:
    """The native library, or None."""
    return _open()[0]


def function(name: str, *argument_types: Any, result: Any = None) -> Any:
    """A function of the native library, its C types declared; to be looked up once, for that is slow.

    It runs on the threads of the OpenMP runtime that is in the process by then.

    Raises:
        RunError: there is no library, or it is older than the package.
    """
    library = load()
    if library is None:
        raise RunError(f"native kernels: {_open()[1]}")
    _share_threads(library)
    try:
        found = library[name]
    except AttributeError:
        raise RunError(f"{_PATH} is older than the package: run `make native` or reinstall") from None
    found.argtypes = argument_types
    found.restype = result
    return found


def openmp_runtimes() -> list[str]:
    """Paths of the OpenMP runtimes loaded in this process. There should be at most one."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    paths = {line.partition("/")[1] + line.partition("/")[2] for line in lines if "/" in line}
    return sorted(path for path in paths if Path(path).name.startswith(_RUNTIMES))


def _share_threads(library: ctypes.CDLL) -> None:
    runtimes = openmp_runtimes()
    if runtimes:
        _use(library, runtimes[0])


@cache
def _use(library: ctypes.CDLL, runtime: str) -> None:
    loaded = ctypes.CDLL(runtime, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    library.unrolled_use_openmp(*(ctypes.cast(loaded[name], ctypes.c_void_p) for name in names))


def describe() -> dict[str, Any]:
    """Which path is in use: ``path`` ("native" or "reference"), ``reason`` when it is the reference,
    ``instruction_set`` ("avx512", "avx2", "baseline"), ``library``, and the ``openmp`` runtimes loaded."""
    library, reason = _open()
    native = library is not None
    return {
        "path": "native" if native else "reference",
        "reason": reason,
        "instruction_set": library.unrolled_instruction_set().decode() if library is not None else None,
        "library": str(_PATH) if native else None,
        "openmp": openmp_runtimes(),
    }
