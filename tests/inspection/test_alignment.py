from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unrolled.errors import UserError
from unrolled.inspection import Alignment, alignment
from unrolled.tasks.translate import Translator

CROSSING = Alignment(
    ["the", "black", "cat", "</s>"],
    ["le", "chat", "noir", "</s>"],
    np.array([[0.7, 0.1, 0.1, 0.1], [0, 0, 1, 0], [0.25, 0.5, 0.25, 0], [0, 0, 0.4, 0.6]]),
)


def test_the_figures_of_an_alignment() -> None:
    entropy = [
        -(0.7 * np.log2(0.7) + 3 * 0.1 * np.log2(0.1)),
        0,
        1.5,
        -(0.4 * np.log2(0.4) + 0.6 * np.log2(0.6)),
    ]
    np.testing.assert_allclose(CROSSING.entropy, entropy)
    np.testing.assert_allclose(CROSSING.coverage, [0.95, 0.6, 1.75, 0.7])
    assert CROSSING.pharaoh == "0-0 1-2 2-1"


def test_a_token_that_looked_at_the_end_has_no_link() -> None:
    weights = np.array([[0.1, 0.9], [1.0, 0.0], [0.5, 0.5]])
    assert Alignment(["a", "</s>"], ["A", "B", "</s>"], weights).pharaoh == "0-1"
    # Regions of a picture have no end.
    assert Alignment(["0", "1"], ["A", "B", "</s>"], weights).pharaoh == "0-1 1-0"


def test_weights_are_the_models_attention(translator: Translator) -> None:
    texts = ["a b c", "", "d d", "b"]
    found = alignment(translator, texts).items
    for text, each in zip(texts, found, strict=True):
        if not text:
            assert each.weights.shape == (0, 0)
            assert each.pharaoh == ""
            continue
        best = translator.translate([text])[0]
        assert each.target == [*best.tokens, "</s>"]
        assert each.source == [*best.source_tokens, "</s>"]
        np.testing.assert_allclose(each.weights.sum(axis=1), 1)
        np.testing.assert_allclose(each.weights[:, :-1], best.attention.numpy(), atol=1e-12)


def test_given_answers_are_aligned(translator: Translator) -> None:
    view = alignment(translator, ["a b", "c"], ["B A", "C"])
    assert [each.target for each in view.items] == [["B", "A", "</s>"], ["C", "</s>"]]
    assert view.lines() == [each.pharaoh for each in view.items]
    assert view.arrays()["0/links"].tolist() == [list(link) for link in view.items[0].links]


@pytest.mark.parametrize("answers", [["B A"], ["B A", "C", "C"]])
def test_each_text_has_one_answer(translator: Translator, answers: list[str]) -> None:
    with pytest.raises(UserError, match=f"2 texts but {len(answers)} answers: one each"):
        alignment(translator, ["a b", "c"], answers)


def test_a_model_without_attention_says_what_it_has(load: Callable[..., Translator]) -> None:
    plain = load('model.attention="none"')
    with pytest.raises(
        UserError, match="no attention to show; its views are gates, gradients, beam, errors, report"
    ):
        alignment(plain, ["a"])


def test_nothing_to_look_at(translator: Translator) -> None:
    with pytest.raises(UserError, match="no text"):
        alignment(translator, ["", "  "])
