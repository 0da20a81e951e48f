from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import numpy as np
import pytest

from unrolled.drawing.tokens import LEVELS, _lines, draw_tokens, token_styles, tokens_markup


def test_the_text_can_be_read_off_the_picture(words: Callable[..., list[str]]) -> None:
    texts = words(draw_tokens, ["été", "漢字x", "</s>"], [0.1, 0.5, 1.0], separator=" ")
    assert texts[:3] == ["0.1", "0.55", "1"]  # what the colours mean
    assert "".join(unescape(text) for text in texts[3:]) == "été漢字x</s>"


def test_lines_hold_no_more_than_their_columns_and_lose_nothing() -> None:
    tokens = ["one", "two", "abcdefghijklm", "漢字漢字漢字", "", "end\n", "x"]
    lines = _lines(tokens, " ", 8)
    wide = dict.fromkeys("漢字", 2)
    for line in lines:
        _, start, text = line[-1]
        assert start + sum(wide.get(c, 1) for c in text.rstrip("\n")) <= 8
    joined = [""] * len(tokens)
    for line in lines:
        for index, _, text in line:
            joined[index] += text
    assert joined == ["one", "two", "abcdefghijklm", "漢字漢字漢字", "∅", "end\n", "x"]
    assert lines[-1] == [(6, 0, "x")]  # a line break in the text is one in the picture


def test_lines_are_measured_as_they_are_shown() -> None:
    lines = _lines(["\x07" * 90], "", 80)
    assert [len(line[0][2]) for line in lines] == [20, 20, 20, 20, 10]  # four columns each: \\x07


def test_a_text_begins_a_line() -> None:
    assert [len(line) for line in _lines(["a", "b", "c", "d"], " ", 80, {1, 3})] == [1, 2, 1]
    shown = re.sub(r"<[^>]+>", "", tokens_markup(["a", "b", "c"], [1, 2, 3], separator=" ", starts={0, 2}))
    assert shown.endswith("a b\nc")


def test_a_line_breaks_before_words_whose_spaces_are_drawn() -> None:
    made = tokens_markup(["a", " ", "b", "▁c", "d"], [1, 2, 3, 4, 5])
    assert re.findall(r"<wbr><b[^>]*>(.)", made) == ["b", "▁"]


def test_markup_escapes_colours_and_tells_values() -> None:
    text = tokens_markup(["<b>", "a\n"], [0.0, 1.0], label="unit <3>")
    assert "<b>&lt;b" not in text
    assert '<b class="s0" data-v="0">&lt;b&gt;</b>' in text
    assert f'<b class="s{LEVELS - 1}" data-v="1">a↵\n</b>' in text
    assert "unit &lt;3&gt;" in text
    assert 'tabindex="0"' in text


def test_every_class_used_has_a_style() -> None:
    defined = set(re.findall(r"\.(\w+)\{", token_styles()))
    for kind in ("sequential", "diverging"):
        values = [*np.linspace(-1, 1, 200), np.nan]
        used = set(re.findall(r'class="([sd][\dn]+)"', tokens_markup(["x"] * 201, values, kind=kind)))
        assert used <= defined
        assert len(used) > LEVELS // 2


def test_tokens_and_values_must_fit() -> None:
    with pytest.raises(ValueError, match="2 tokens"):
        tokens_markup(["a", "b"], [1.0])
    with pytest.raises(ValueError, match="0 tokens"):
        tokens_markup([], [])
