"""``docs/shapes.md``: its code runs, its recipes are shipped, and it shows a picture of every shape."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unrolled.drawing import SHAPES
from unrolled.runs.recipe import shipped

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "shapes.md").read_text(encoding="utf-8")


def test_every_shape_has_its_picture() -> None:
    shown = re.findall(r"!\[.+\]\((.+\.svg)\)", PAGE)
    assert len(shown) == len(SHAPES)
    assert all((DOCS / picture).is_file() for picture in shown)


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    (tmp_path / "docs/shapes").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "shapes.md", "exec"), {})
    made = {path.name for path in (tmp_path / "docs/shapes").iterdir()}
    assert made == {path.name for path in (DOCS / "shapes").iterdir()}


def test_the_recipes_are_shipped() -> None:
    named = set(re.findall(r"^unrolled train (\S+)", PAGE, re.MULTILINE))
    assert len(named) == len(SHAPES) - 1
    assert named <= shipped().keys()
