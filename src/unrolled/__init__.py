"""Sequence models, unrolled: train, decode and look inside recurrent networks.

``import unrolled`` is lazy: rooms (``unrolled.nn``, ``unrolled.metrics`` …) are imported when first used, so
that ``unrolled --help`` and ``unrolled bleu`` never wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_ROOMS = (
    "decoding",
    "drawing",
    "embeddings",
    "inspection",
    "kernels",
    "metrics",
    "models",
    "nn",
    "pictures",
    "runs",
    "tasks",
    "text",
    "training",
)
_NAMES = {
    "load": "unrolled.runs.load",
    "train": "unrolled.training.train",
    "UserError": "unrolled.errors",
    "RunError": "unrolled.errors",
}

__all__ = ["RunError", "UserError", "__version__", "load", "train", *_ROOMS]

if TYPE_CHECKING:
    from unrolled.errors import RunError, UserError
    from unrolled.runs.load import load
    from unrolled.training.train import train


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"unrolled.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'unrolled' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
