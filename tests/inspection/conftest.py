"""A small translator, trained for a moment, in double precision: its figures can be computed another way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

import unrolled
from unrolled.tasks.translate import Translator
from unrolled.training import train

PAIRS = [
    (" ".join(letters), " ".join(letters[::-1]).upper())
    for letters in ("ab", "abc", "ca", "bca", "ad", "cbab", "dd", "bd")
]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``make_run(setting, …) -> the run's folder``; the same settings give the same run."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*overrides: str) -> Path:
        if overrides not in made:
            folder = tmp_path_factory.mktemp("inspection")
            (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
            recipe = folder / "my.toml"
            recipe.write_text(
                'task = "translate"\n[data]\ntrain = "pairs.tsv"\ndev = "pairs.tsv"\n'
                "[model]\nembedding_size = 6\nhidden_size = 8\n"
                '[training]\nupdates = 30\nbatch_tokens = 40\nlog_every = 10\nprecision = "float64"\n'
            )
            made[overrides] = folder / "run"
            train(recipe, made[overrides], overrides=list(overrides), threads=1, progress=False)
        return made[overrides]

    return make


@pytest.fixture(scope="session")
def load(make_run: Callable[..., Path]) -> Callable[..., Translator]:
    """``load(setting, …) -> the translator of make_run``."""
    return lambda *overrides: cast("Translator", unrolled.load(make_run(*overrides), threads=1))


@pytest.fixture
def translator(load: Callable[..., Translator]) -> Translator:
    return load()
