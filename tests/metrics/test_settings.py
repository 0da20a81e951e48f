from __future__ import annotations

import pytest
from pydantic import ValidationError

from unrolled import metrics
from unrolled.metrics.settings import CaptionMetrics, TranslationMetrics


def test_the_report_is_scored_with_the_options_given():
    hypotheses, references = ["A b c d, e", "f g h i j"], [["a b c d , e"], ["f g h i k"]]
    section = TranslationMetrics(
        report=["bleu", "chrf", "word_error_rate", "phoneme_error_rate", "token_error_rate"],
        tokenize="none",
        lowercase=True,
    )
    scores = section.scores(hypotheses, references)
    assert list(scores) == section.report
    assert scores["bleu"].value == metrics.bleu(hypotheses, references, "none", lowercase=True).value
    assert scores["chrf"].value == metrics.chrf(hypotheses, references, lowercase=True).value
    assert scores["word_error_rate"].value == 100.0


def test_unknown_metrics_and_keys_are_refused():
    with pytest.raises(ValidationError):
        TranslationMetrics(report=["blue"])
    with pytest.raises(ValidationError):
        TranslationMetrics(tokenise="13a")


def test_captions_are_scored_by_every_order() -> None:
    found = CaptionMetrics(lowercase=True).scores(["A dog runs ."], [["a dog runs .", "dogs"]])
    assert list(found) == ["bleu", "bleu_1", "bleu_2", "bleu_3", "chrf"]
    assert [score.value for score in found.values()] == pytest.approx([100] * 5)
    assert found["bleu_2"].name == "BLEU-2"
    assert "tok:none" in found["bleu_2"].signature
