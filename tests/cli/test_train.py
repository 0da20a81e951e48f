from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_what_is_given_reaches_the_trainer(
    unrolled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def train(recipe: str, run: Path | None, **options: Any) -> Any:
        seen.append((recipe, run, options))
        return types.SimpleNamespace(task=types.SimpleNamespace(folder=Path("runs/my"), verb="translate"))

    monkeypatch.setattr(importlib.import_module("unrolled.training.train"), "train", train)
    told = unrolled("train", "my.toml", "--set", "model.hidden=8", "--set", "training.seed=2", "--threads", 2)
    assert told.code == 0
    assert "unrolled translate runs/my" in told.out
    options = {
        "overrides": ["model.hidden=8", "training.seed=2"],
        "device": "auto",
        "threads": 2,
        "seed": None,
        "allow_inexact": False,
    }
    assert seen == [("my.toml", None, options)]
    unrolled("train", "my.toml", "--run", "r", "--allow-inexact", "--seed", 3)
    assert seen[1] == (
        "my.toml",
        Path("r"),
        options | {"overrides": [], "threads": None, "seed": 3, "allow_inexact": True},
    )


def test_skip_bad_is_for_captions(unrolled: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        'task = "translate"\n[data]\ntrain = "a.tsv"\n[training]\nupdates = 1\n'
    )
    told = unrolled("train", tmp_path / "my.toml", "--skip-bad")
    assert told.code == 2
    assert "--skip-bad is for captions, and" in told.err
    assert "my.toml is for task 'translate': leave it out" in told.err
