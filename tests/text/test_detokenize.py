from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.text.detokenize import detokenize


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("two young , white males are outside .", "two young, white males are outside."),
        ("i do n't think it 's john 's ; we 'll see .", "i don't think it's john's; we'll see."),
        ("he can not ( really ) pay $ 5 .", "he cannot (really) pay $5."),
        ('she said , " go home ! " and left', 'she said, "go home!" and left'),
        ("a well @-@ known 1 @,@ 000 @.@ 5", "a well-known 1,000.5"),
        ("il a dit « oui » .", "il a dit «oui»."),
        ("hello", "hello"),
        ("", ""),
        ("東京 、 大阪 。", "東京、大阪。"),
    ],
)
def test_examples(tokens, text):
    assert detokenize(tokens) == text


@given(st.text("ab ,.!?()\"'«»sn't", max_size=30))
def test_only_spaces_go(text):
    assert detokenize(text).replace(" ", "") == text.replace(" ", "")
