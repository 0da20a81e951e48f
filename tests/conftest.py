from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# A machine may be busy: how long an example takes says nothing about it. A failure prints how to repeat it.
settings.register_profile(
    "unrolled", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("unrolled")

# As the command line sets it, before PyTorch is imported: tests run side by side, and a machine may be busy.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@pytest.fixture(scope="session")
def lacking() -> Callable[[str], NoReturn]:
    """What to do, with a reason, where something that a test needs is not there: skip, in CI fail."""
    return pytest.fail if os.environ.get("CI") == "true" else pytest.skip


@pytest.fixture(scope="session")
def data(lacking: Callable[[str], NoReturn]) -> Path:
    """The folder of real data sets; without it a skip that says why, in CI a failure."""
    folder = Path(os.environ.get("UNROLLED_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        lacking(f"needs real data: set UNROLLED_DATA (looked in {folder})")
    return folder


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """A test that seeds nothing draws the same whatever ran before it."""
    import torch

    torch.manual_seed(0)
