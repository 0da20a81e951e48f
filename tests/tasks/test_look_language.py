"""Recipes made by looking at a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks.language_model import LanguageModel


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("names.txt", "emma\nolivia\nava\nluc\n" * 30, ("lines", "character")),
        ("play.txt", "To be, or not to be, that is the question:\n\n" * 60, ("stream", "character")),
        ("ptb.txt", " the cat did n't see <unk> .\n" * 60, ("stream", "word")),
        ("code.py", "def f(x):\n    return x\n" * 60, ("documents", "character")),
    ],
)
def test_a_recipe_fitted_to_the_text(
    tmp_path: Path, name: str, content: str, wanted: tuple[str, str]
) -> None:
    (tmp_path / name).write_text(content)
    written = tmp_path / "new.toml"
    written.write_text(LanguageModel.look([tmp_path / name]))
    sections = cast(Any, Recipe.read(written).sections)
    assert (sections.data.form, sections.text.kind) == wanted
    if wanted[0] != "documents":
        (tmp_path / "run").mkdir()
        assert len(LanguageModel.prepare(sections, tmp_path / "run").plan(1, 0))
    with pytest.raises(UserError, match="no such file"):
        LanguageModel.look([tmp_path / "missing.txt"])
