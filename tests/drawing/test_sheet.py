from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing.sheet import draw_sheet


def test_each_word_stands_above_its_picture(words: Callable[..., list[str]]) -> None:
    picture = np.zeros((4, 6, 3), dtype=np.uint8)
    texts = words(draw_sheet, picture, ["a", "dog", "."], np.ones((3, 2, 2)), title="T", columns=2)
    assert texts == ["a", "dog", ".", "T"]


def test_shapes_that_do_not_fit_are_an_error(tmp_path) -> None:
    picture = np.zeros((4, 6, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="2 words"):
        draw_sheet(picture, ["a", "b"], np.ones((3, 2, 2)), tmp_path / "a.png")
    with pytest.raises(ValueError, match="height, width, 3"):
        draw_sheet(picture[..., 0], ["a"], np.ones((1, 2, 2)), tmp_path / "a.png")
