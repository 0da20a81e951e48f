"""Which machine: the device a user names, and how many threads."""

from __future__ import annotations

import torch

from unrolled.errors import UserError


def device(name: str | torch.device) -> torch.device:
    """``"cpu"``, ``"cuda"``, ``"cuda:1"``; ``"auto"``: a GPU when there is one.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(name)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError):
        here = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UserError(f"--device {name}: not on this machine, which has {', '.join(here)}") from None
    return found


def use_threads(threads: int | None) -> int:
    """Set how many threads PyTorch computes with (``None``: leave it) and answer how many it does.

    Raises:
        UserError: fewer than one.
    """
    if threads is not None:
        if threads < 1:
            raise UserError(f"--threads {threads}: should be 1 or more")
        torch.set_num_threads(threads)
    return torch.get_num_threads()
