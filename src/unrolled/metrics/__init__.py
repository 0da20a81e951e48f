"""What "good" means: figures with an interval and a signature to cite. NumPy alone, never torch."""

from unrolled.metrics.bleu import Bleu, bleu
from unrolled.metrics.by_length import Bucket, by_length
from unrolled.metrics.calibration import calibration_error
from unrolled.metrics.chrf import chrf
from unrolled.metrics.classification import accuracy, confusion, confusion_table, macro_f1, token_accuracy
from unrolled.metrics.correlation import spearman
from unrolled.metrics.edit_distance import (
    edit_distance,
    phoneme_error_rate,
    token_error_rate,
    word_error_rate,
)
from unrolled.metrics.perplexity import bits_per_character, nats_per_token, perplexity
from unrolled.metrics.score import Score
from unrolled.metrics.significance import Comparison, compare
from unrolled.metrics.spans import span_f1
from unrolled.metrics.tally import Tally

__all__ = [
    "Bleu",
    "Bucket",
    "Comparison",
    "Score",
    "Tally",
    "accuracy",
    "bits_per_character",
    "bleu",
    "by_length",
    "calibration_error",
    "chrf",
    "compare",
    "confusion",
    "confusion_table",
    "edit_distance",
    "macro_f1",
    "nats_per_token",
    "perplexity",
    "phoneme_error_rate",
    "span_f1",
    "spearman",
    "token_accuracy",
    "token_error_rate",
    "word_error_rate",
]
