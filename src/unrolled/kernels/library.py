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
_shared: list[str] = []
"""The OpenMP runtime whose threads the library runs on, once there is one."""


@cache
def _open() -> tuple[ctypes.CDLL | None, str | None]:
    """The library, or why there is none."""
    kernels = _choice("UNROLLED_KERNELS", "native", "reference")
    _choice(
        "UNROLLED_INSTRUCTION_SET", "avx512", "avx2", "baseline"
    )  # the library reads it, but cannot object
    if kernels == "reference":
        return None, "UNROLLED_KERNELS=reference"
    if not _PATH.exists():
        return None, "not built: a C++ compiler was missing when the package was installed"
    try:
        library = ctypes.CDLL(str(_PATH))
    except OSError as error:
        return None, f"cannot be loaded: {error}"
    library.unrolled_instruction_set.restype = ctypes.c_char_p
    return library, None


def _choice(variable: str, *known: str) -> str:
    """What an environment variable says; the first of ``known`` where it is not set."""
    choice = os.environ.get(variable, known[0])
    if choice not in known:
        raise UserError(f"{variable}={choice!r}: choose one of {', '.join(map(repr, known))}")
    return choice


def load() -> ctypes.CDLL | None:
    """The native library, or None."""
    return _open()[0]


def function(name: str, *argument_types: Any, result: Any = None) -> Any:
    """A function of the native library, its C types declared; to be looked up once, for that is slow.

    If PyTorch is in the process by then, the library runs on its threads from there on.

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
    return [path for path in _loaded() if Path(path).name.startswith(_RUNTIMES)]


def _loaded() -> list[str]:
    """Paths of the files that are mapped into this process."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    return sorted({line.partition("/")[1] + line.partition("/")[2] for line in lines if "/" in line})


def _share_threads(library: ctypes.CDLL) -> None:
    """Hand the library PyTorch's runtime, once: kernels that run must not find another half-way."""
    runtime = None if _shared else _pytorchs_runtime()
    if runtime is not None:
        _shared.append(runtime)
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        library.unrolled_use_openmp(*(ctypes.c_void_p(_address(runtime, name)) for name in names))


def _pytorchs_runtime() -> str | None:
    """The OpenMP runtime that PyTorch is linked with, for other packages may have brought others."""
    for pytorch in (path for path in _loaded() if Path(path).name.startswith("libtorch_cpu")):
        called = _address(pytorch, "GOMP_parallel")
        for runtime in openmp_runtimes():
            if called is not None and _address(runtime, "GOMP_parallel") == called:
                return runtime
    return None


def _address(path: str, name: str) -> int | None:
    """Where a loaded library, or one that it is linked with, has a function."""
    try:
        found = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)[name]
    except (OSError, AttributeError):
        return None
    return ctypes.cast(found, ctypes.c_void_p).value


def describe() -> dict[str, Any]:
    """Which path is in use: ``path`` ("native" or "reference"), ``reason`` when it is the reference,
    ``instruction_set`` ("avx512", "avx2", "baseline"), ``library``, the ``openmp`` runtimes loaded, and
    ``openmp_note`` when there are several."""
    library, reason = _open()
    native = library is not None
    runtimes, note = openmp_runtimes(), None
    if len(runtimes) > 1:
        note = f"{len(runtimes)} runtimes, each with its own threads; PyTorch and the kernels use "
        note += _pytorchs_runtime() or "none of them"
    return {
        "path": "native" if native else "reference",
        "reason": reason,
        "instruction_set": library.unrolled_instruction_set().decode() if library is not None else None,
        "library": str(_PATH) if native else None,
        "openmp": runtimes,
        "openmp_note": note,
    }
