from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from PIL import Image

from unrolled.drawing.figure import DOTS_PER_INCH
from unrolled.drawing.heatmap import draw_alignment, draw_confusion, draw_heatmap

Words = Callable[..., list[str]]


def test_every_token_is_on_its_axis(words: Words) -> None:
    source, target = ["l'été", "Привет", "$5", " "], ["the", "summer"]
    texts = words(draw_alignment, np.full((2, 4), 0.25), source, target, title="A title")
    assert texts[:6] == ["l'été", "Привет", "$5", "␣", "the", "summer"]
    assert "A title" in texts


def test_rows_are_targets_from_the_top_and_columns_sources_from_the_left(tmp_path: Path) -> None:
    weights = np.zeros((2, 3))
    weights[0, 2] = 1.0
    draw_alignment(weights, ["a", "b", "c"], ["x", "y"], tmp_path / "a.png")
    image = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    frame = np.nonzero((image < 60).all(-1).sum(0) > 0.5 * DOTS_PER_INCH)[0]
    left, right = frame.min(), frame.min() + round(3 * 0.3 * DOTS_PER_INCH)
    inside = image[:, left + 4 : right - 4]
    rows, columns = np.nonzero((inside[..., 2] - inside[..., 0] > 60) & (inside[..., 0] < 60))
    # The dark cell is the third of the first row: one cell wide, one high, in the upper half.
    assert np.ptp(rows) + 1 == pytest.approx(0.3 * DOTS_PER_INCH, abs=4)
    assert np.ptp(columns) + 1 == pytest.approx(0.3 * DOTS_PER_INCH, abs=8)
    assert columns.min() > 0.6 * inside.shape[1]
    frame_rows = np.nonzero((image[:, left:right] < 60).all(-1).sum(1) > 0.8 * (right - left))[0]
    assert rows.max() < (frame_rows.min() + frame_rows.max()) / 2 + 4


def test_long_sentences_keep_every_label(words: Words) -> None:
    source, target = [f"s{i}" for i in range(90)], [f"t{i}" for i in range(70)]
    texts = words(draw_alignment, np.ones((70, 90)) / 90, source, target)
    assert texts[:160] == [*source, *target]


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (3,), (0, 2)])
def test_weights_that_do_not_fit_the_tokens_are_an_error(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shape"):
        draw_alignment(np.ones(shape), ["a", "b"], ["x", "y", "z"], tmp_path / "a.png")


def test_not_a_number_and_a_constant_can_be_drawn(tmp_path: Path) -> None:
    draw_heatmap([[np.nan, 1.0], [1.0, 1.0]], None, None, tmp_path / "a.png")
    draw_heatmap([[np.nan]], None, None, tmp_path / "b.png", kind="diverging")
    assert (tmp_path / "a.png").stat().st_size > 0
    assert (tmp_path / "b.png").stat().st_size > 0


def test_confusion_shows_counts_with_classes_on_both_axes(words: Words) -> None:
    texts = words(draw_confusion, [[1500, 3], [0, 0]], ["neg", "pos"])
    assert texts[:4] == ["neg", "pos", "neg", "pos"] or texts.count("neg") == 2
    assert {"1,500", "3", "true class", "predicted class"} <= set(texts)
    seen = words(draw_confusion, [[1, 0], [0, 1]], ["very\x01 bad", "_good"])
    assert {"very\\x01 bad", "_good"} <= set(seen)
