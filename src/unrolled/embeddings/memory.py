"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Give back what glibc's allocator keeps of freed memory; others, which have no such call, keep it.

    A tokenizer of many words is millions of small blocks. Freed, they lie between others that are in use, and
    the matrices of a training would come on top of them.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
