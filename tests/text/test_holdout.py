from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.text.holdout import hold_out


@given(
    keys=st.sets(st.text(min_size=1, max_size=5).map(str.strip), min_size=30, max_size=60),
    seed=st.integers(0, 9),
)
def test_sizes_are_exact_and_the_rest_is_for_training(keys, seed):
    part_of = hold_out(keys, {"test": 7, "dev": 0.1}, seed)
    parts = [part_of(key) for key in keys]
    assert parts.count("test") == 7
    assert parts.count("dev") == round(0.1 * len(keys))
    assert parts.count("train") == len(keys) - 7 - round(0.1 * len(keys))


def test_order_and_repetition_do_not_matter_but_the_seed_does():
    keys = [str(i) for i in range(1000)]
    repeated = random.Random(3).choices(keys, k=2000) + keys
    first, second, other = (
        list(map(hold_out(some, {"test": 100}, seed), keys))
        for some, seed in ((keys, 1), (repeated, 1), (keys, 2))
    )
    assert first == second
    assert 70 <= sum(a == "test" and b != "test" for a, b in zip(first, other, strict=True)) <= 99


def test_space_around_a_key_does_not_count():
    part_of = hold_out([str(i) for i in range(100)], {"test": 0.5}, 1)
    assert all(part_of(f" {i}\t") == part_of(str(i)) for i in range(100))


@pytest.mark.parametrize("sizes", [{"test": 10}, {"test": 5, "dev": 5}, {"dev": 0.99}])
def test_something_must_be_left(sizes):
    with pytest.raises(UserError, match="leaves nothing to train on: there are 10 distinct"):
        hold_out([str(i) for i in range(10)], sizes, 1)


def test_a_share_is_at_least_one():
    part_of = hold_out(["a", "b", "c"], {"test": 0.05, "dev": 0.05}, 1)
    assert sorted(map(part_of, "abc")) == ["dev", "test", "train"]
