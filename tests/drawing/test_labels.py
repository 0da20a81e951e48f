from __future__ import annotations

import pytest

from unrolled.drawing.labels import name_label, shortened, token_label, visible, width_of


@pytest.mark.parametrize(
    ("token", "seen"),
    [(" ", "␣"), ("\n", "↵"), ("", "∅"), ("a b", "a␣b"), ("été", "été"), ("漢字", "漢字"), ("\x01", "\\x01")],
)
def test_visible(token: str, seen: str) -> None:
    assert visible(token) == seen


def test_a_long_label_is_cut_and_says_so() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert len(token_label("x" * 100)) == 28


def test_a_name_keeps_its_spaces_and_shows_what_cannot_be_seen() -> None:
    assert name_label("New York\x01") == "New York\\x01"
    assert name_label("") == "∅"


def test_wide_characters_are_two_and_marks_none() -> None:
    assert width_of("a漢e\u0301") == 4
