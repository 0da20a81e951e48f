from __future__ import annotations

import pytest

from unrolled.errors import UserError
from unrolled.metrics import accuracy, confusion, confusion_table, macro_f1, token_accuracy

GOLD = ["a", "a", "a", "b", "b", "c"]
PREDICTED = ["a", "a", "b", "b", "c", "a"]


def test_accuracy_is_the_share_of_right_labels():
    score = accuracy(PREDICTED, GOLD)
    assert score.value == pytest.approx(50.0)
    assert score.details == {"right": 3, "of": 6}
    assert accuracy([{"x", "y"}, {"x"}], [{"y", "x"}, {"x", "y"}]).value == 50.0


def test_macro_f1_is_the_mean_of_the_labels_own():
    # a: P 2/3, R 2/3; b: P 1/2, R 1/2; c: P 0, R 0.
    score = macro_f1(PREDICTED, GOLD)
    assert score.value == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)
    assert score.details["labels"]["a"] == pytest.approx(
        {"precision": 200 / 3, "recall": 200 / 3, "f1": 200 / 3, "count": 3}
    )
    assert score.details["labels"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 1}
    assert 0 < score.low <= score.value <= score.high


def test_a_label_that_occurs_nowhere_is_left_out_of_the_mean():
    assert macro_f1(["a"], ["a"], labels=["a", "z"]).value == 100.0


def test_several_labels_a_text():
    # x: right once, found twice, there once; y: right once, there twice.
    score = macro_f1([{"x", "y"}, {"x"}], [["x", "y"], ["y"]])
    assert score.value == pytest.approx(100 * (2 / 3 + 2 / 3) / 2)


def test_several_labels_are_right_in_any_order():
    assert accuracy([["x", "y"], ["x"]], [["y", "x"], ["y"]]).value == 50.0


def test_the_confusion_matrix_has_gold_in_rows():
    matrix, labels = confusion(PREDICTED, GOLD)
    assert labels == ["a", "b", "c"]
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 0]]
    assert confusion(PREDICTED, GOLD, ["c", "b", "a"])[0].tolist() == [[0, 0, 1], [1, 1, 0], [0, 1, 2]]
    with pytest.raises(UserError, match="label 'c' is not among the labels: a, b"):
        confusion(PREDICTED, GOLD, ["a", "b"])


def test_token_accuracy_counts_tokens_not_sentences():
    assert token_accuracy([["A", "B"], ["A"]], [["A", "A"], ["A"]]).value == pytest.approx(200 / 3)
    with pytest.raises(UserError, match="sentence 2 has 1 tokens but 2 tags"):
        token_accuracy([["A"], ["A", "A"]], [["A"], ["A"]])


@pytest.mark.parametrize("metric", [accuracy, macro_f1, confusion, token_accuracy])
def test_what_cannot_be_scored_is_named(metric):
    with pytest.raises(UserError, match="no segments"):
        metric([], [])
    with pytest.raises(UserError, match="1 predictions but 2 gold labels"):
        metric(["a"], ["a", "b"])


def test_the_confusion_table_is_plain_data():
    table = confusion_table(["a", "b", "b"], ["a", "a", "b"])
    assert table == {"labels": ["a", "b"], "counts": [[1, 1], [0, 1]]}
