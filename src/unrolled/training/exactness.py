"""What makes a resumed training equal, bit for bit, to one that was never interrupted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from unrolled import __version__, kernels
from unrolled.errors import UserError


def seed_for(seed: int, update: int) -> int:
    """The seed of one update's random choices: 63 bits of SHA-256 of both numbers.

    Reseeding at every update leaves no generator state to save. Update 0 draws the first weights.
    """
    digest = hashlib.sha256(f"{seed} {update}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def reseed(seed: int, device: torch.device) -> None:
    """Seed the generators that an update draws from: the CPU's, and the device's own.

    ``torch.manual_seed`` seeds every device there could be, and keeps a stack trace for each call as long as
    CUDA is not in use: milliseconds and memory an update.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Ask PyTorch for algorithms that repeat themselves; put its settings and generator back afterwards."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    memory: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    filled = memory.fill_uninitialized_memory
    threads = torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    memory.fill_uninitialized_memory = False  # Only costs time: no kernel reads it.
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def environment(device: torch.device) -> dict[str, Any]:
    """What the last bit of a result depends on, besides the recipe."""
    native = kernels.describe()
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "kernels": " ".join(part for part in (native["path"], native["instruction_set"]) if part),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "unrolled": __version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),  # by which PyTorch chooses its own kernels
    }


def check_environment(run: object, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to resume where the result could differ; what an older version did not record is not compared.

    Raises:
        UserError: a part of the environment differs; it is named with both values.
    """
    for key, value in now.items():
        if recorded.get(key, value) != value:
            advice = f"--threads {recorded[key]}, or " if key == "threads" else ""
            raise UserError(
                f"{run}: was trained with {key} {recorded[key]}, now it is {value}: resuming would not be"
                f" exact; give {advice}--allow-inexact to go on regardless"
            )
