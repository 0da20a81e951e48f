from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.metrics import edit_distance, phoneme_error_rate, token_error_rate, word_error_rate

WORDS = st.text("abc", max_size=7)


def by_definition(one, other):
    if not one or not other:
        return len(one) + len(other)
    return min(
        by_definition(one[1:], other) + 1,
        by_definition(one, other[1:]) + 1,
        by_definition(one[1:], other[1:]) + (one[0] != other[0]),
    )


@given(st.text("ab", max_size=5), st.text("ab", max_size=5))
def test_equals_the_recursive_definition(one, other):
    assert edit_distance(one, other) == by_definition(one, other)


@given(WORDS, WORDS, WORDS)
def test_is_a_metric(one, other, third):
    assert edit_distance(one, one) == 0
    assert edit_distance(one, other) == edit_distance(other, one)
    assert edit_distance(one, third) <= edit_distance(one, other) + edit_distance(other, third)


def test_known_distances():
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("intention", "execution") == 5
    assert edit_distance(["K", "AE", "T"], ["K", "AA", "T", "S"]) == 2


def test_any_pronunciation_counts_for_the_word_error_rate():
    hypotheses = ["T AH M EY T OW", "K AE T", ""]
    references = [["T AH M AA T OW", "T AH M EY T OW"], ["K AH T"], ["AH"]]
    score = word_error_rate(hypotheses, references)
    assert score.value == pytest.approx(100 * 2 / 3)
    assert not score.higher_is_better
    assert score.details == {"wrong": 2, "words": 3}


def test_the_closest_pronunciation_counts_for_the_phoneme_error_rate():
    score = phoneme_error_rate(["A B C", "D"], [["X Y Z W", "A B D"], ["D E F"]])
    assert score.details == {"edits": 1 + 2, "reference_length": 3 + 3}
    assert score.value == pytest.approx(100 * 3 / 6)


def test_equally_close_references_count_as_the_longer():
    assert phoneme_error_rate(["A B"], [["A", "A B C"]]).details == {"edits": 1, "reference_length": 3}
    assert phoneme_error_rate(["A B"], [["A B C", "A"]]).details == {"edits": 1, "reference_length": 3}


def test_an_output_that_runs_on_can_cost_more_than_everything():
    assert token_error_rate(["a a a a"], [["b"]]).value == 400.0
    assert token_error_rate([""], [[""]]).value == 0.0


@pytest.mark.parametrize("metric", [word_error_rate, phoneme_error_rate])
def test_nothing_to_score_is_an_error(metric):
    with pytest.raises(UserError, match="no segments"):
        metric([], [])


def test_without_case():
    hypotheses, references = ["Ab c"], [["aB d"]]
    assert token_error_rate(hypotheses, references).value == 100
    found = token_error_rate(hypotheses, references, lowercase=True)
    assert found.value == 50
    assert "|case:lc|" in found.signature
    assert phoneme_error_rate(hypotheses, references, lowercase=True).value == 50
    assert word_error_rate(["A"], [["a"]], lowercase=True).value == 0
    assert "case" not in word_error_rate(["A"], [["a"]]).signature
