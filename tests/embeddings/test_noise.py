from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from unrolled.embeddings.noise import alias_table, below, draw, keep_odds, noise_table
from unrolled.embeddings.settings import VectorSettings


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_alias_table_holds_the_distribution(seed: int) -> None:
    weights = np.random.default_rng(seed).random(50) ** 3
    table = alias_table(weights)
    share = np.zeros(50)
    for column, (odds, alias) in enumerate(zip(table.odds / 2.0**32, table.alias, strict=True)):
        share[column] += odds / 50
        share[alias] += (1 - odds) / 50
    np.testing.assert_allclose(share, weights / weights.sum(), atol=1e-9)


def test_noise_is_the_counts_to_a_power() -> None:
    table = noise_table(np.array([16, 1]), 0.75)
    # 16 ** 0.75 = 8: the rare word keeps 2/9 of its column and gives the rest away.
    assert table.odds[1] / 2**32 == pytest.approx(2 / 9)
    assert table.alias[1] == 0


def test_frequent_words_are_left_out_by_the_authors_formula() -> None:
    odds = keep_odds(np.array([900, 100]), 0.1) / 2.0**32
    assert odds[0] == pytest.approx((0.1 / 0.9) ** 0.5 + 0.1 / 0.9)
    assert odds[1] == pytest.approx(1, abs=1e-9)
    assert (keep_odds(np.array([900, 100]), 0) == 2**32 - 1).all()


def test_random_numbers_are_splitmix64() -> None:
    # The first outputs of the generator seeded with 1234567, as published with it.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [int(draw(1234567, 0, n)) for n in range(3)] == expected


def test_settings_that_would_draw_more_than_is_set_aside_are_refused() -> None:
    how = {"window": 21, "negatives": 100}
    with pytest.raises(ValidationError, match=r"= 4,200 others, and can draw 4,094: lower window"):
        VectorSettings.model_validate({**how, "piece_lengths": [3, 6]})
    VectorSettings.model_validate(how)  # whose neighbours share the negatives of a word
    VectorSettings.model_validate({**how, "piece_lengths": [3, 6], "method": "cbow"})


def test_random_numbers_are_uniform() -> None:
    numbers = below(draw(7, np.arange(100_000), 3), 10)
    assert np.abs(np.bincount(numbers, minlength=10) - 10_000).max() < 500
