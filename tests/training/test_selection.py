from __future__ import annotations

import pytest

from unrolled.errors import UserError
from unrolled.metrics import Score
from unrolled.training.selection import Selection


def judged(values: list[float], higher_is_better: bool = True) -> tuple[list[bool], Selection]:
    selection = Selection("bleu", ["bleu"])
    answers = []
    for update, value in enumerate(values, 1):
        answers.append(
            selection.judge({"bleu": Score("BLEU", value, higher_is_better=higher_is_better)}, update)
        )
        again = Selection("bleu", ["bleu"])
        again.load(selection.record())
        selection = again
    return answers, selection


def test_the_greatest_or_the_least_by_the_scores_own_direction() -> None:
    assert judged([1, 3, 2, 3, 4])[0] == [True, True, False, False, True]
    assert judged([3, 1, 2, 1, 0], higher_is_better=False)[0] == [True, True, False, False, True]


def test_counts_validations_since_the_best() -> None:
    selection = judged([5, 4, 3])[1]
    assert (selection.best, selection.best_update, selection.stalled, selection.judged) == (5, 1, 2, 3)


def test_no_number_is_never_the_best() -> None:
    assert judged([float("nan"), 1, float("nan")])[0] == [False, True, False]


def test_the_first_of_the_tasks_scores_unless_another_is_named() -> None:
    assert Selection(None, ["bleu", "chrf"]).metric == "bleu"
    assert Selection("chrf", ["bleu", "chrf"]).metric == "chrf"


def test_an_unknown_score_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(UserError, match=r"no dev score 'blue': .*bleu"):
        Selection("blue", ["bleu"])


def test_a_score_that_dev_does_not_give_is_named() -> None:
    with pytest.raises(UserError, match="dev has no 'analogies' to choose by: known: pairs"):
        Selection("analogies", ["pairs", "analogies"]).judge({"pairs": Score("pairs", 1.0)}, 1)
