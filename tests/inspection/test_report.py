from __future__ import annotations

from collections.abc import Callable

import pytest

from unrolled.cli.running import to_json
from unrolled.inspection import report, views
from unrolled.tasks.translate import Translator


def test_it_holds_every_view_of_the_run(translator: Translator) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    told: list[str] = []
    made = report(translator, judged=3, progress=told.append)
    assert list(made.views) == ["alignment", "gates", "gradients", "beam", "errors"]
    assert set(made.views) < set(told)
    titles = [section.title for section in made.sections()]
    assert titles[0] == "Scores"
    for title in (
        "Alignment",
        "Gates over time",
        "Gradients in training",
        "Beam search",
        "What the length penalty does",
    ):
        assert title in titles
    assert made.page().html().count("<section") == len(titles)
    assert "beam/total" in made.arrays()
    assert "# errors" in made.lines()
    assert to_json(made.as_dict()).startswith('{"run": "run"')


def test_views_that_a_model_has_no_use_for_are_left_out(load: Callable[..., Translator]) -> None:
    plain = load('model.attention="none"')
    assert "alignment" not in views(plain)
    made = report(plain, ["a b"], ["B A"], judged=2)
    assert "alignment" not in made.views
    assert made.views["beam"].as_dict()["reference"]["tokens"] == ["B", "A", "</s>"]
