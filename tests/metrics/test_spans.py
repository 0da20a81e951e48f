from __future__ import annotations

import itertools
import random

import pytest

from unrolled.errors import UserError
from unrolled.metrics import span_f1


def conlleval(predicted, gold):
    """The script's own procedure, rule by rule: (right, found, gold) chunks and right tags."""

    def begins(before, before_type, tag, type_):
        return (before, tag) in {
            ("B", "B"),
            ("I", "B"),
            ("O", "B"),
            ("O", "I"),
            ("E", "E"),
            ("E", "I"),
            ("O", "E"),
        } or (tag != "O" and tag != "." and before_type != type_)

    def ends(before, before_type, tag, type_):
        return (before, tag) in {
            ("B", "B"),
            ("B", "O"),
            ("I", "B"),
            ("I", "O"),
            ("E", "E"),
            ("E", "I"),
            ("E", "O"),
        } or (before != "O" and before != "." and before_type != type_)

    right = found = there = right_tags = 0
    in_correct, last, last_guess = False, ("O", ""), ("O", "")
    lines = []
    for ours, theirs in zip(predicted, gold, strict=True):
        lines += [*zip(theirs, ours, strict=True), (None, None)]
    for correct, guess in lines:
        boundary = correct is None
        this = ("O", "") if boundary else correct.partition("-")[::2]
        this_guess = ("O", "") if boundary else guess.partition("-")[::2]
        if in_correct:
            end, end_guess = ends(*last, *this), ends(*last_guess, *this_guess)
            if end and end_guess and last_guess[1] == last[1]:
                in_correct, right = False, right + 1
            elif end != end_guess or this_guess[1] != this[1]:
                in_correct = False
        start, start_guess = begins(*last, *this), begins(*last_guess, *this_guess)
        if start and start_guess and this_guess[1] == this[1]:
            in_correct = True
        there, found = there + start, found + start_guess
        right_tags += not boundary and correct == guess
        last, last_guess = this, this_guess
    return right, found, there, right_tags


def counts(score):
    tags_right = round(score.details["token_accuracy"] * score.details["tokens"] / 100)
    return score.details["right"], score.details["found"], score.details["gold"], tags_right


@pytest.mark.parametrize(
    ("predicted", "gold", "figures"),
    [
        # IOB1: two spans of one type side by side need the B.
        (["I-X", "I-X"], ["I-X", "B-X"], (0, 1, 2, 1)),
        (["I-X", "B-X"], ["I-X", "B-X"], (2, 2, 2, 2)),
        # A change of type begins a span without a B.
        (["I-X", "I-Y"], ["B-X", "B-Y"], (2, 2, 2, 0)),
        # The right tokens with a wrong type, a wrong end, a wrong beginning.
        (["B-Y", "I-Y"], ["B-X", "I-X"], (0, 1, 1, 0)),
        (["B-X", "I-X", "O"], ["B-X", "I-X", "I-X"], (0, 1, 1, 2)),
        (["O", "B-X"], ["B-X", "I-X"], (0, 1, 1, 0)),
        # A span that begins with I after O is a span.
        (["O", "I-X", "I-X"], ["O", "B-X", "I-X"], (1, 1, 1, 2)),
        # Types with hyphens.
        (["B-X-Y", "I-X-Z"], ["B-X-Y", "B-X-Z"], (2, 2, 2, 1)),
        (["O", "O"], ["O", "O"], (0, 0, 0, 2)),
    ],
)
def test_traps(predicted, gold, figures):
    assert counts(span_f1([predicted], [gold])) == figures == conlleval([predicted], [gold])


def test_a_sentence_ends_its_spans():
    score = span_f1([["B-X"], ["I-X"]], [["B-X"], ["I-X"]])
    assert counts(score) == (2, 2, 2, 2) == conlleval([["B-X"], ["I-X"]], [["B-X"], ["I-X"]])


def test_all_short_sequences_equal_the_script():
    alphabet = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    for length in (1, 2, 3):
        rows = [list(row) for row in itertools.product(alphabet, repeat=length)]
        for gold in rows:
            for predicted in rows:
                assert counts(span_f1([predicted], [gold])) == conlleval([predicted], [gold])


@pytest.mark.parametrize("seed", range(30))
def test_random_corpora_equal_the_script(seed):
    generator = random.Random(seed)
    alphabet = ["O", "O", "B-X", "I-X", "B-Y", "I-Y"]
    gold = [[generator.choice(alphabet) for _ in range(generator.randint(1, 12))] for _ in range(20)]
    predicted = [
        [tag if generator.random() < 0.7 else generator.choice(alphabet) for tag in row] for row in gold
    ]
    score = span_f1(predicted, gold)
    right, found, there, _ = conlleval(predicted, gold)
    assert counts(score) == conlleval(predicted, gold)
    precision, recall = 100 * right / found, 100 * right / there
    assert score.details["precision"] == pytest.approx(precision)
    assert score.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert sum(each["right"] for each in score.details["types"].values()) == right


def test_iobes_is_scored_as_the_spans_it_spells():
    gold = [["B-X", "E-X", "S-X", "O", "S-Y", "S-Y"]]
    assert span_f1([["B-X", "I-X", "B-X", "O", "B-Y", "B-Y"]], gold).value == 100.0
    assert span_f1([["B-X", "I-X", "I-X", "O", "B-Y", "I-Y"]], gold).value == 0.0


def test_what_cannot_be_scored_is_named():
    with pytest.raises(UserError, match="sentence 1 has 2 tokens but 1 tags"):
        span_f1([["O"]], [["O", "O"]])
    with pytest.raises(UserError, match="1 predictions but 2 gold"):
        span_f1([["O"]], [["O"], ["O"]])
    with pytest.raises(UserError, match="no segments"):
        span_f1([], [])
