from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from unrolled.drawing import Page, scatter_markup

WORDS = [f"w{i}" for i in range(300)] + ["<b>", '"quoted"', "日本", "a&b"]


def test_every_point_is_in_the_page_with_its_word_and_place(tmp_path: Path) -> None:
    places = np.random.default_rng(1).normal(size=(len(WORDS), 2)) * [3, 1]
    groups = ["left" if x < 0 else "right" for x, _ in places]
    page = Page("Words")
    page.section("The plane", scatter_markup(places, WORDS, groups=groups))
    page.write(tmp_path / "words.html")
    text = (tmp_path / "words.html").read_text(encoding="utf-8")
    point = (
        r'<g data-word="(.*?)"><circle cx="(.*?)" cy="(.*?)" r="4" fill="(.*?)"/><text [^>]*>(.*?)</text></g>'
    )
    found = re.findall(point, text)
    assert [unescape(word) for word, *_ in found] == WORDS
    assert [unescape(shown) for *_, shown in found] == WORDS
    at = np.array([[float(x), float(y)] for _, x, y, _, _ in found])
    assert (at >= 0).all()
    assert (at <= [1000, 700]).all()
    # One scale for both axes, upwards as in a graph.
    scale = np.ptp(at[:, 0]) / np.ptp(places[:, 0])
    expected = (places - places[0]) * [scale, -scale]
    np.testing.assert_allclose(at - at[0], expected, atol=0.21)
    colours = {
        group: {c for (*_, c, _), g in zip(found, groups, strict=True) if g == group} for group in groups
    }
    assert all(len(each) == 1 for each in colours.values())
    assert colours["left"] != colours["right"]
    assert "● </span>left" in text or "left</span>" in text
    assert "<b>" not in re.sub(r"<b class", "", text)


def test_one_word_or_equal_places_are_no_division_by_zero() -> None:
    assert "500.0" in scatter_markup([[2.0, 2.0]], ["one"])
    scatter_markup([[1.0, 1.0], [1.0, 2.0]], ["one", "two"])


def test_places_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 labels"):
        scatter_markup([[0, 0]], ["a", "b"])
    with pytest.raises(ValueError, match="1 groups"):
        scatter_markup([[0, 0], [1, 1]], ["a", "b"], groups=["x"])
