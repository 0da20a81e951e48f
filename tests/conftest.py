from __future__ import annotations

import os
from pathlib import Path

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
def data() -> Path:
    """The folder of real data sets; without it a skip that says why, in CI a failure."""
    folder = Path(os.environ.get("UNROLLED_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        lacking = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        lacking(f"needs real data: set UNROLLED_DATA (looked in {folder})")
    return folder


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """A test that seeds nothing draws the same whatever ran before it."""
    import torch

    torch.manual_seed(0)
