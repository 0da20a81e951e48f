from __future__ import annotations

import numpy as np
import pytest

from unrolled.errors import UserError
from unrolled.metrics import calibration_error


def test_by_hand() -> None:
    # Two bins: (0.6, 0.667] holds two answers, one right, of mean confidence 0.63; (0.933, 1] one wrong.
    score = calibration_error([0.62, 0.64, 1.0], [True, False, False])
    assert score.value == pytest.approx(100 * (2 / 3 * abs(0.5 - 0.63) + 1 / 3 * 1.0))
    assert not score.higher_is_better
    assert score.low is not None


def test_confidence_that_means_what_it_says_has_a_small_error() -> None:
    print("seed 1")
    random = np.random.default_rng(1)
    confidence = random.random(100_000)
    assert calibration_error(confidence, random.random(100_000) < confidence).value < 1


def test_mistakes() -> None:
    with pytest.raises(UserError, match="2 confidences but 1 answers"):
        calibration_error([0.5, 0.5], [True])
    with pytest.raises(UserError, match="no answers"):
        calibration_error([], [])


def test_the_interval_holds_the_error():
    confidence = [0.5] * 100 + [0.75] * 100
    right = [i % 2 == 0 for i in range(100)] + [i % 4 != 0 for i in range(100)]
    score = calibration_error(confidence, right)
    assert score.value == 0
    assert score.low == 0
    worse = calibration_error([0.95] * 200, [i % 2 == 0 for i in range(200)])
    assert worse.low < worse.value < worse.high
