"""Recipes made by looking at a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks import look_language
from unrolled.tasks.language_model import LanguageModel


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("names.txt", "emma\nolivia\nava\nluc\n" * 30, ("lines", "character")),
        ("play.txt", "To be, or not to be, that is the question:\n\n" * 60, ("stream", "character")),
        ("ptb.txt", " the cat did n't see <unk> .\n" * 60, ("stream", "word")),
        ("code.py", "def f(x):\n    return x\n" * 60, ("stream", "character")),
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
    (tmp_path / "run").mkdir()
    assert len(LanguageModel.prepare(sections, tmp_path / "run").plan(1, 0))
    with pytest.raises(UserError, match="no such file"):
        LanguageModel.look([tmp_path / "missing.txt"])


def test_the_one_text_of_a_jsonl_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "body": "the cat sat on the mat"}\n' * 60)
    written = tmp_path / "new.toml"
    written.write_text(LanguageModel.look([tmp_path / "a.jsonl"]))
    assert cast(Any, Recipe.read(written).sections).data.column == "body"
    (tmp_path / "b.jsonl").write_text('{"title": "a", "body": "b"}\n')
    with pytest.raises(UserError, match=r"which of title, body is the text"):
        LanguageModel.look([tmp_path / "b.jsonl"])


def test_documents_are_held_out_where_there_are_many(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.py").write_text(f"x = {number}\n" * 20)
    written = tmp_path.with_suffix(".toml")
    written.write_text(LanguageModel.look([tmp_path]))
    sections = cast(Any, Recipe.read(written).sections)
    assert sections.data.form == "documents"
    run = tmp_path.with_suffix(".run")
    run.mkdir()
    assert len(LanguageModel.prepare(sections, run).store("dev")) == 2


def test_of_a_long_text_a_bounded_part_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_language, "HELD_OUT", 100)
    (tmp_path / "play.txt").write_text("To be, or not to be, that is the question:\n\n" * 60)
    assert "dev_size = 100\ntest_size = 100\n" in LanguageModel.look([tmp_path / "play.txt"])
