from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing.curves import Series, draw_curves

Words = Callable[..., list[str]]


def test_names_labels_and_marks_are_written(words: Words) -> None:
    series = [Series("RNN", [1, 2, 3], [1, 0.1, 1e-6]), Series("LSTM", [1, 2, 3], [1, 0.9, 0.8])]
    texts = words(draw_curves, series, x_label="k", y_label="norm", log_y=True, marks=[(0.01, "a hundredth")])
    assert {"RNN", "LSTM", "k", "norm", "a hundredth", "10⁻⁶"} <= set(texts)


def test_zero_on_a_log_axis_is_a_gap(tmp_path: Path) -> None:
    draw_curves([Series("a", [0, 1, 10], [1, 0, np.nan])], tmp_path / "a.png", log_x=True, log_y=True)
    assert (tmp_path / "a.png").exists()


def test_a_band_is_drawn_between_low_and_high(tmp_path: Path) -> None:
    plain, banded = tmp_path / "a.svg", tmp_path / "b.svg"
    draw_curves([Series("a", [1, 2], [1, 2])], plain)
    draw_curves([Series("a", [1, 2], [1, 2], [0, 1], [2, 3])], banded)
    assert "opacity: 0.18" in banded.read_text()
    assert "opacity: 0.18" not in plain.read_text()


def test_series_that_are_no_line_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'bent'"):
        draw_curves([Series("bent", [1, 2], [1, 2, 3])], tmp_path / "a.png")
    with pytest.raises(ValueError, match="no series"):
        draw_curves([], tmp_path / "a.png")
