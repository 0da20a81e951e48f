from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing import fonts
from unrolled.drawing.points import draw_points


def test_every_point_has_its_label_and_every_group_its_name(words: Callable[..., list[str]]) -> None:
    texts = words(draw_points, [[0, 0], [1, 1], [2, 0]], ["roi", "reine", "été"], groups=["a", "b", "a"])
    assert {"roi", "reine", "été", "a", "b"} <= set(texts)


def test_what_cannot_be_seen_is_shown_and_underscores_hide_no_group(words: Callable[..., list[str]]) -> None:
    texts = words(draw_points, [[0, 0], [1, 1]], ["a\x01", "New York"], groups=["_x\x02", "b"])
    assert {"a\\x01", "New York", "_x\\x02", "b"} <= set(texts)


def test_groups_look_different_when_the_colours_begin_again(
    looks: Callable[..., list[tuple[object, ...]]], tmp_path: Path
) -> None:
    found = looks("scatter", "color", "marker")
    names = [f"{i}" for i in range(36)]
    draw_points([[i, i] for i in range(36)], names, tmp_path / "a.svg", groups=names)
    assert len(set(found)) == 36


def test_a_missing_glyph_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "_candidates", list)
    with pytest.warns(fonts.MissingGlyphs) as told:
        draw_points([[0, 0], [1, 1]], ["\U00012000", "b"], tmp_path / "a.png")
    assert len(told) == 1


def test_names_without_room_are_counted(tmp_path: Path) -> None:
    assert draw_points([[0, 0], [1, 1]], ["a", "b"], tmp_path / "a.svg") == 0
    names = [f"word{i}" for i in range(60)]
    hidden = draw_points([[0, 0], *[[1, 1]] * 59], names, tmp_path / "b.svg")
    assert 30 < hidden < 59


def test_places_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 labels"):
        draw_points([[0, 0]], ["a", "b"], tmp_path / "a.png")
    with pytest.raises(ValueError, match="1 groups"):
        draw_points([[0, 0], [1, 1]], ["a", "b"], tmp_path / "a.png", groups=["x"])
