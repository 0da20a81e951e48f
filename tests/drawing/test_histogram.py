from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing.histogram import draw_histogram

Words = Callable[..., list[str]]


@pytest.mark.parametrize("log_x", [False, True])
def test_histogram_leaves_out_what_is_no_number(words: Words, log_x: bool) -> None:
    values = [np.nan, np.inf, 0.5, 5.0, 50.0]
    texts = words(draw_histogram, values, bins=3, log_x=log_x, marks=[(5.0, "clipped at 5")], x_label="norm")
    assert {"clipped at 5", "norm", "count"} <= set(texts)


def test_a_single_value_is_a_distribution_too(tmp_path: Path) -> None:
    draw_histogram([2.0, 2.0], tmp_path / "a.png")
    draw_histogram([0.0], tmp_path / "b.png")
    draw_histogram([2.0], tmp_path / "c.png", log_x=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_no_values_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no values"):
        draw_histogram([np.nan], tmp_path / "a.png")
    with pytest.raises(ValueError, match="no values"):
        draw_histogram([-1.0], tmp_path / "a.png", log_x=True)
