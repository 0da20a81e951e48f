from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from unrolled.errors import UserError
from unrolled.metrics import spearman


@pytest.mark.parametrize("seed", range(5))
def test_it_is_scipys_with_ties(seed: int) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = random.integers(0, 9, (2, 40))
    score = spearman(ours.tolist(), theirs.tolist())
    assert score.value == pytest.approx(100 * spearmanr(ours, theirs).statistic, abs=1e-10), seed
    assert score.low < score.value < score.high


def test_order_alone_counts() -> None:
    assert spearman([1, 2, 3], [10, 100, 1e9]).value == pytest.approx(100)
    assert spearman([1, 2, 3], [3, 2, 1]).value == pytest.approx(-100)
    assert spearman([1, 1, 1], [3, 2, 1]).value == 0


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [2.0]), ([1.0, 2.0], [1.0])])
def test_too_few_or_unequal_are_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(UserError, match="two or more of each"):
        spearman(ours, theirs)
