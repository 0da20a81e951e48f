from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unrolled.runs import checkpoint
from unrolled.training import train


@pytest.fixture
def resumes_exactly(tmp_path: Path) -> Callable[[Path], None]:
    """Asserts that training a recipe in two goes ends where one go does, bit for bit."""

    def check(recipe: Path) -> None:
        def fit(name: str, updates: int) -> dict[str, torch.Tensor]:
            train(
                recipe, tmp_path / name, overrides=[f"training.updates={updates}"], threads=1, progress=False
            )
            saved = checkpoint.latest(tmp_path / name / "state")
            assert saved is not None
            assert saved.step == updates
            return saved.tensors

        whole = fit("whole", 7)
        assert any(not torch.equal(whole[name], tensor) for name, tensor in fit("parts", 3).items())
        parts = fit("parts", 7)
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole)

    return check
