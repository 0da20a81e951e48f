"""How many threads, or processes, to compute with."""

from __future__ import annotations

import os
import sys


def threads() -> int:
    """PyTorch's number where it is loaded (this does not load it), else one a processor."""
    torch = sys.modules.get("torch")
    if torch is not None:
        found: int = torch.get_num_threads()
        return found
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
