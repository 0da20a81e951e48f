from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.text.store import IdStore
from unrolled.text.streams import stream_windows

EOS = 3


@given(
    tokens=st.integers(1, 300),
    batch=st.integers(1, 8),
    length=st.integers(1, 20),
    jitter=st.sampled_from([0.0, 3.0]),
    epoch=st.integers(0, 2),
)
def test_every_token_is_predicted_once_from_the_one_before_it(tokens, batch, length, jitter, epoch):
    if tokens < batch:
        return
    ids = np.arange(100, 100 + tokens, dtype=np.uint16)
    windows = stream_windows(ids, batch=batch, length=length, context=EOS, jitter=jitter, seed=1, epoch=epoch)
    targets = np.concatenate([window.targets for window in windows])
    inputs = np.concatenate([window.inputs for window in windows])
    assert inputs.dtype == targets.dtype == np.int64
    # Column after column, the targets are the stream, without what fills no row.
    assert targets.T.ravel().tolist() == ids[: tokens // batch * batch].tolist()
    assert windows.predictions == targets.size
    assert inputs.T.ravel().tolist() == [EOS, *targets.T.ravel()[:-1].tolist()]
    if not jitter:
        assert all(len(window.targets) == length for window in windows[:-1])


def test_window_lengths_depend_on_seed_and_epoch_alone():
    ids = np.arange(50_000)

    def lengths(seed, epoch):
        options = {"batch": 10, "length": 35, "context": EOS, "jitter": 5}
        return [len(w.inputs) for w in stream_windows(ids, seed=seed, epoch=epoch, **options)]

    assert lengths(1, 2) == lengths(1, 2)
    assert lengths(1, 2) != lengths(1, 3) != lengths(2, 2)
    drawn = lengths(1, 2)
    assert sum(drawn) == 5000
    assert min(drawn[:-1]) >= 5
    assert 32 < np.median(drawn) < 38


def test_windows_are_a_sequence_over_a_store(tmp_path):
    store = IdStore.write(tmp_path / "store", [np.array([4, 5, EOS]), np.array([6, EOS])], 300)
    windows = stream_windows(store.ids, batch=1, length=2, context=EOS)
    assert len(windows) == 3
    assert windows[-1].targets.tolist() == [[EOS]]
    assert [window.targets.shape for window in windows[1:]] == [(2, 1), (1, 1)]
    for index in (3, -4):
        with pytest.raises(IndexError, match="of 3"):
            windows[index]


def test_too_little_text():
    with pytest.raises(UserError, match="3 tokens cannot fill 4 columns"):
        stream_windows(np.arange(3), batch=4, length=2, context=EOS)
