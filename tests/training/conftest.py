"""The toy task, registered for these tests alone, and runs of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TOY = Path(__file__).with_name("toy.py")


def load_toy() -> ModuleType:
    if "unrolled_toy" not in sys.modules:
        specification = importlib.util.spec_from_file_location("unrolled_toy", TOY)
        assert specification
        assert specification.loader
        module = importlib.util.module_from_spec(specification)
        sys.modules["unrolled_toy"] = module
        specification.loader.exec_module(module)
    return sys.modules["unrolled_toy"]


@pytest.fixture(autouse=True)
def toy() -> ModuleType:
    return load_toy()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of the toy task: 5 batches an epoch."""
    path = tmp_path / "toy.toml"
    path.write_text(
        'task = "toy"\n[data]\nrows = 40\n[training]\nupdates = 30\nlearning_rate = 0.01\nclip_norm = 5.0\n'
        "tensorboard = false\nlog_every = 4\n"
    )
    return path


@pytest.fixture
def fit(recipe: Path, tmp_path: Path) -> Callable[..., Path]:
    """``fit("a", "training.updates=3")`` trains in ``tmp_path/a`` and answers that folder."""
    from unrolled.training import train

    def run(name: str, *overrides: str, **options: object) -> Path:
        train(recipe, tmp_path / name, overrides=overrides, **{"progress": False, "threads": 1, **options})  # type: ignore[arg-type]
        return tmp_path / name

    return run
