from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing.shapes import SHAPES, draw_shape


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_a_box_for_each_input_state_and_output(
    name: str, words: Callable[..., list[str]]
) -> None:
    shape, texts = SHAPES[name], words(draw_shape, name)
    assert texts.count("x") == len(shape.inputs)
    assert texts.count("a") == shape.steps
    assert texts.count("ŷ") == len(shape.outputs)


def test_there_are_five_shapes_and_another_is_refused(tmp_path: Path) -> None:
    assert len(SHAPES) == 5
    with pytest.raises(ValueError, match="many to one"):
        draw_shape("one to none", tmp_path / "a.png")
