from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.text.batches import pad, plan
from unrolled.text.corpus import read_lines

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=200)


@given(lengths=pairs, tokens=st.integers(1, 500), seed=st.integers(0, 3), epoch=st.integers(0, 3))
def test_every_row_once_an_epoch_within_the_budget(lengths, tokens, seed, epoch):
    lengths = np.array(lengths, dtype=np.int64).reshape(-1, 2)
    batches = plan(lengths, tokens=tokens, seed=seed, epoch=epoch)
    rows = np.concatenate(batches) if batches else np.zeros(0)
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert batch.dtype == np.int32
        assert len(batch) * lengths[batch].max() <= tokens or len(batch) == 1


@given(lengths=st.lists(st.integers(0, 30), max_size=100), sentences=st.integers(1, 20))
def test_batches_by_number_of_sentences(lengths, sentences):
    batches = plan(lengths, sentences=sentences, seed=0, epoch=0)
    assert sum(map(len, batches)) == len(lengths)
    assert all(len(batch) <= sentences for batch in batches)
    assert len(batches) == -(-len(lengths) // sentences)


def test_a_plan_depends_on_its_arguments_alone():
    lengths = np.random.default_rng(3).integers(1, 40, (500, 2))
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state is what must not be touched)
    same = [plan(lengths, tokens=400, seed=1, epoch=2) for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*same, strict=True))
    for other in (plan(lengths, tokens=400, seed=1, epoch=3), plan(lengths, tokens=400, seed=2, epoch=2)):
        assert not all(np.array_equal(a, b) for a, b in zip(same[0], other, strict=False))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_an_epoch_changes_which_rows_meet():
    lengths = np.random.default_rng(4).integers(1, 10, (2000, 2))
    together = [
        {frozenset(batch.tolist()) for batch in plan(lengths, tokens=300, seed=1, epoch=epoch)}
        for epoch in (0, 1)
    ]
    assert len(together[0] & together[1]) < len(together[0]) / 10


def test_wrong_limits():
    for limits in ({}, {"tokens": 1, "sentences": 1}, {"tokens": 0}):
        with pytest.raises(ValueError, match="one of tokens"):
            plan([1, 2], seed=0, epoch=0, **limits)


@pytest.mark.parametrize("tokens", [1000, 2000, 4096])
def test_little_of_multi30k_is_padding(multi30k, tokens):
    sides = [read_lines(multi30k / f"train.lc.norm.tok.{side}") for side in ("de", "en")]
    lengths = np.array([[len(line.split()) for line in side] for side in sides]).T
    batches = plan(lengths, tokens=tokens, seed=1, epoch=0)
    positions = sum(len(batch) * lengths[batch].max(axis=0) for batch in batches)
    padding = 1 - lengths.sum(axis=0) / positions
    assert padding.max() < 0.1, padding
    assert 1 - lengths.sum() / positions.sum() < 0.05


rows = st.lists(st.lists(st.integers(4, 99), max_size=9), max_size=9)


@given(rows=rows, begin=st.sampled_from([None, 2]), end=st.sampled_from([None, 3]))
def test_pad_and_back(rows, begin, end):
    padded = pad([np.array(row, dtype=np.uint16) for row in rows], 0, begin=begin, end=end)
    around = [[begin] * (begin is not None), [end] * (end is not None)]
    expected = [around[0] + row + around[1] for row in rows]
    assert padded.lengths.tolist() == [len(row) for row in expected]
    assert padded.ids.shape == (max(map(len, expected), default=0), len(rows))
    assert padded.ids.dtype == padded.lengths.dtype == np.int64
    assert padded.ids.flags.c_contiguous
    for column, row in enumerate(expected):
        assert padded.ids[:, column].tolist() == row + [0] * (len(padded.ids) - len(row))
