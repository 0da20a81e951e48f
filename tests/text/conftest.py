from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def multi30k(data) -> Path:
    return data / "multi30k"
