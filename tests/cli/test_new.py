from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from unrolled import tasks

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def looking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look(paths: Sequence[Path]) -> str:
        return "# " + " ".join(path.name for path in paths) + "\n"

    monkeypatch.setattr(tasks, "find", lambda name: types.SimpleNamespace(name=name, look=look))
    monkeypatch.chdir(tmp_path)


def test_the_recipe_is_named_after_the_data(unrolled: Run) -> None:
    told = unrolled("new", "translate", "data/pairs.fr", "data/pairs.en")
    assert told.code == 0
    assert "unrolled train pairs.toml" in told.out
    assert Path("pairs.toml").read_text() == "# pairs.fr pairs.en\n"


def test_or_as_asked(unrolled: Run) -> None:
    assert unrolled("new", "translate", "pairs.tsv", "-o", "my.toml").code == 0
    assert Path("my.toml").exists()
    assert unrolled("new", "translate", "pairs.tsv", "-o", "-").out == "# pairs.tsv\n"


def test_a_recipe_that_is_there_is_not_lost(unrolled: Run) -> None:
    Path("pairs.toml").write_text("mine")
    told = unrolled("new", "translate", "pairs.tsv")
    assert told.code == 2
    assert "pairs.toml: exists already" in told.err
    assert Path("pairs.toml").read_text() == "mine"
    assert unrolled("new", "translate", "pairs.tsv", "--force").code == 0
    assert Path("pairs.toml").read_text() == "# pairs.tsv\n"


def test_a_folder_that_is_not_there_is_named(unrolled: Run) -> None:
    told = unrolled("new", "translate", "pairs.tsv", "-o", "nowhere/my.toml")
    assert told.code == 1
    assert "nowhere/my.toml" in told.err


def test_data_that_are_this_folder_give_it_its_name(unrolled: Run, tmp_path: Path) -> None:
    assert unrolled("new", "language-model", ".").code == 0
    assert (tmp_path / f"{tmp_path.name}.toml").exists()
