from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing.curves import Series, _foot, draw_curves

Words = Callable[..., list[str]]
Looks = Callable[..., list[tuple[object, ...]]]


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


def test_a_band_that_reaches_zero_goes_to_the_foot_of_a_log_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def band(low: list[float]) -> Series:
        return Series("a", [0, 1], [1e-3, 1e-4], low, [1, 1])

    assert _foot([band([0, 1e-5])]) == pytest.approx(5e-6)
    assert _foot([band([1e-4, 1e-5])]) is None
    assert _foot([Series("a", [0], [0], [0], [0])]) is None
    drawn: list[list[float]] = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.fill_between", lambda self, x, low, high, **look: drawn.append(low.tolist())
    )
    draw_curves([band([0, 1e-5])], tmp_path / "a.svg", log_y=True)
    assert drawn == [[pytest.approx(5e-6), 1e-5]]


def test_a_band_that_is_all_zero_is_a_gap_on_a_log_axis(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: list[list[bool]] = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.fill_between",
        lambda self, x, low, high, where, **look: kept.append(where.tolist()),
    )
    band = Series("a", [0, 1], [1, 0], [1, 0], [1, 0])
    draw_curves([band], tmp_path / "a.svg", log_y=True)
    draw_curves([band], tmp_path / "b.svg")
    assert kept == [[True, False], [True, True]]


def test_few_points_of_a_log_axis_are_labelled(words: Words) -> None:
    beams = [1, 3, 10, 30]
    assert {"1", "3", "10", "30"} <= set(words(draw_curves, [Series("", beams, beams)], log_x=True))


@pytest.mark.parametrize("nothing", [[0, 0], [-1, np.nan], [np.inf, 0]])
def test_an_axis_without_anything_above_zero_is_not_logarithmic(nothing: list[float], tmp_path: Path) -> None:
    drawn = Series("a", nothing, nothing, nothing, nothing)
    draw_curves([drawn], tmp_path / "a.svg", log_x=True, log_y=True)
    assert (tmp_path / "a.svg").exists()


def test_names_with_an_underscore_are_in_the_legend(words: Words) -> None:
    series = [Series(name, [1, 2], [1, 2]) for name in ("_run", "", "b")]
    assert words(draw_curves, series)[-2:] == ["_run", "b"]


def test_series_look_different_when_the_colours_begin_again(looks: Looks, tmp_path: Path) -> None:
    found = looks("plot", "color", "linestyle", "marker")
    draw_curves([Series(f"{i}", [1, 2], [i, i]) for i in range(36)], tmp_path / "a.svg")
    assert len(set(found)) == len({(colour, marker) for colour, _, marker in found}) == 36


def test_series_that_are_no_line_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'bent'"):
        draw_curves([Series("bent", [1, 2], [1, 2, 3])], tmp_path / "a.png")
    with pytest.raises(ValueError, match="no series"):
        draw_curves([], tmp_path / "a.png")
