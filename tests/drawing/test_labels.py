from __future__ import annotations

import pytest

from unrolled.drawing.labels import shortened, token_label, visible


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
