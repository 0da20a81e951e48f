"""Whether a probability means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unrolled.errors import UserError
from unrolled.metrics.score import Score, signature
from unrolled.metrics.tally import Counts, Tally

_BINS = 15


def calibration_error(confidence: ArrayLike, right: ArrayLike) -> Score:
    """The expected calibration error in percent: how far confidence is from the share that is right.

    Answers fall into 15 bins of equal width by their confidence; the mean over bins, weighted by their
    answers, of |share right − mean confidence| (Guo et al. 2017, section 2).

    Args:
        confidence: the probability of each answer, 0 to 1.
        right: whether it is.

    Raises:
        UserError: no answers, or unequal numbers.
    """
    probability = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(right, dtype=np.float64)
    if probability.shape != correct.shape:
        raise UserError(f"{len(probability)} confidences but {len(correct)} answers: one each")
    if not len(probability):
        raise UserError("no answers to score: the predictions are empty")
    # A bin holds its upper border, as in the source.
    bins = np.clip(np.ceil(probability * _BINS).astype(int) - 1, 0, _BINS - 1)
    statistics = np.zeros((len(bins), _BINS + 1))
    statistics[np.arange(len(bins)), bins] = correct - probability
    statistics[:, -1] = 1
    tally = Tally(statistics, _error, grows=True)
    return Score(
        "calibration error",
        float(_error(tally.total())),
        signature=signature("calibration error", bins=_BINS),
        higher_is_better=False,
        tally=tally,
    )


def _error(sums: Counts) -> Counts:
    return 100.0 * np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]
