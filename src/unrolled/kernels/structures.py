"""The C structures that kernels take, filled from tensors; each mirrors its namesake in ``native/``."""

from __future__ import annotations

import ctypes
from typing import Any

_FIELD = {"pointer": ctypes.c_void_p, "size": ctypes.c_int64, "double": ctypes.c_double}


def structure(name: str, **fields: str) -> type[ctypes.Structure]:
    """A C structure of ``"pointer"``, ``"size"`` (64 bit) and ``"double"`` fields, in order."""
    layout = [(field, _FIELD[kind]) for field, kind in fields.items()]
    return type(name, (ctypes.Structure,), {"_fields_": layout})


def pointer(tensor: Any) -> int | None:
    """Where a tensor's numbers are; null without one."""
    return None if tensor is None else tensor.data_ptr()
