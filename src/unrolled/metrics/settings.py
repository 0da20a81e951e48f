"""The ``[metrics]`` section of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from unrolled.metrics import segments
from unrolled.metrics.bleu import Smoothing, Tokenization, bleu
from unrolled.metrics.chrf import chrf
from unrolled.metrics.edit_distance import phoneme_error_rate, token_error_rate, word_error_rate
from unrolled.metrics.score import Score

TranslationMetric = Literal[
    "bleu",
    "bleu_1",
    "bleu_2",
    "bleu_3",
    "chrf",
    "word_error_rate",
    "phoneme_error_rate",
    "token_error_rate",
]


class TranslationMetrics(BaseModel):
    """How translations are scored."""

    model_config = ConfigDict(extra="forbid")

    report: list[TranslationMetric] = Field(
        default=["bleu", "chrf"],
        description="the first chooses the best weights unless training.selection says otherwise:"
        " bleu, bleu_1 to bleu_3 (of shorter n-grams), chrf; word_error_rate and phoneme_error_rate for"
        " pronunciations; token_error_rate",
        min_length=1,
    )
    tokenize: Tokenization = Field(
        default="13a", description='BLEU: "13a" splits punctuation off; "none" for text already tokenized'
    )
    lowercase: bool = Field(default=False, description="compare without case")
    smooth: Smoothing = Field(default="exp", description='BLEU: "exp" as sacreBLEU, or "none"')

    def scores(self, hypotheses: Sequence[str], references: segments.References) -> dict[str, Score]:
        """Every metric of the report, by name.

        Raises:
            UserError: no segments, unequal numbers of them, a segment without reference.
        """
        return {name: self._score(name, hypotheses, references) for name in self.report}

    def _score(
        self, name: TranslationMetric, hypotheses: Sequence[str], references: segments.References
    ) -> Score:
        match name:
            case "bleu" | "bleu_1" | "bleu_2" | "bleu_3":
                # A test set is a corpus, however small.
                return bleu(
                    hypotheses,
                    references,
                    tokenize=self.tokenize,
                    lowercase=self.lowercase,
                    smooth=self.smooth,
                    effective_order=False,
                    **({} if name == "bleu" else {"order": int(name[-1])}),
                )
            case "chrf":
                return chrf(hypotheses, references, lowercase=self.lowercase)
            case "word_error_rate":
                return word_error_rate(hypotheses, references, lowercase=self.lowercase)
            case "phoneme_error_rate":
                return phoneme_error_rate(hypotheses, references, lowercase=self.lowercase)
            case "token_error_rate":
                return token_error_rate(hypotheses, references, lowercase=self.lowercase)


class CaptionMetrics(TranslationMetrics):
    """How captions are scored."""

    report: list[TranslationMetric] = Field(
        default=["bleu", "bleu_1", "bleu_2", "bleu_3", "chrf"],
        description="the first chooses the best weights unless training.selection says otherwise:"
        " bleu (of n-grams up to 4), bleu_1, bleu_2, bleu_3, chrf",
        min_length=1,
    )
    tokenize: Tokenization = Field(
        default="none",
        description='BLEU: "none" where words stand between spaces; "13a" splits punctuation off',
    )
