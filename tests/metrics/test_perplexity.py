from __future__ import annotations

import math

import numpy as np
import pytest

from unrolled.errors import UserError
from unrolled.metrics import bits_per_character, perplexity


def test_a_uniform_model_is_as_perplexed_as_its_vocabulary_is_large():
    score = perplexity([3 * math.log(50), 7 * math.log(50)], [3, 7])
    assert score.value == pytest.approx(50.0)
    assert not score.higher_is_better
    assert score.details["tokens"] == 10


def test_every_token_counts_once_however_the_stream_is_cut():
    losses = np.random.default_rng(0).exponential(3, size=60)
    whole = perplexity([losses.sum()], [60]).value
    assert whole == pytest.approx(math.exp(losses.mean()))
    cuts = np.split(losses, [5, 17, 40])
    assert perplexity([cut.sum() for cut in cuts], [len(cut) for cut in cuts]).value == pytest.approx(whole)
    assert perplexity(losses, np.ones(60)).low < whole < perplexity(losses, np.ones(60)).high


def test_bits_per_character_are_in_base_two():
    assert bits_per_character([8 * math.log(2)], [4]).value == pytest.approx(2.0)


def test_a_segment_that_says_nothing_leaves_the_interval_a_number():
    score = perplexity([0.0, 7.0, 5.0], [0, 3, 3])
    assert score.value == perplexity([7.0, 5.0], [3, 3]).value
    assert all(math.isfinite(end) for end in score.interval)


def test_nothing_to_predict_is_an_error():
    with pytest.raises(UserError, match="no tokens"):
        perplexity([], [])
    with pytest.raises(UserError, match="2 log-probabilities but 1 counts"):
        perplexity([1.0, 2.0], [1])
