from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.errors import RunError, UserError
from unrolled.text.store import IdStore, StoreWriter, smallest_type

ROWS = [[4, 5, 6], [], [255], [7, 8]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=st.lists(st.lists(st.integers(0, 70_000), max_size=9), max_size=9))
def test_round_trip(rows, tmp_path):
    store = IdStore.write(tmp_path / "store", [np.array(row, dtype=np.int32) for row in rows], 70_001)
    assert len(store) == len(rows)
    assert [row.tolist() for row in store] == rows
    assert store.lengths.tolist() == [len(row) for row in rows]
    assert [row.tolist() for row in store.rows(range(len(rows)))] == rows


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(5, "uint8"), (256, "uint8"), (257, "uint16"), (65_536, "uint16"), (65_537, "uint32"), (None, "uint32")],
)
def test_ids_take_the_smallest_type(size, dtype, tmp_path):
    assert smallest_type(size) == dtype
    store = IdStore.write(tmp_path / "store", ROWS, size)
    assert store.ids.dtype == dtype
    assert store.offsets.dtype == np.int64


def test_ids_stay_on_disk(tmp_path):
    store = IdStore.write(tmp_path / "store", [np.arange(5000)] * 3, 5000)
    assert isinstance(store.ids.base, np.memmap)
    assert not store.ids.flags.writeable
    assert np.shares_memory(store[1], store.ids)


def test_rows_count_from_either_end(tmp_path):
    store = IdStore.write(tmp_path / "store", ROWS, 256)
    assert store[-1].tolist() == ROWS[-1]
    for row in (4, -5):
        with pytest.raises(IndexError, match="of 4"):
            store[row]


def test_a_store_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "store"
    with pytest.raises(RuntimeError), StoreWriter(path, 300) as writer:  # noqa: PT012
        writer.add([np.array([1, 2])])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    IdStore.write(path, ROWS, 256)
    with pytest.raises(RuntimeError), StoreWriter(path, 300):
        raise RuntimeError
    assert [row.tolist() for row in IdStore.open(path)] == ROWS
    IdStore.write(path, ROWS[::-1], 256)
    assert [row.tolist() for row in IdStore.open(path)] == ROWS[::-1]


def test_missing_and_damaged_stores(tmp_path):
    path = tmp_path / "store"
    with pytest.raises(UserError, match="prepare the data again"):
        IdStore.open(path)
    IdStore.write(path, [np.arange(200)] * 3, 256)
    ids = (path / "ids.npy").read_bytes()
    for damaged in (ids[:-5], ids[:20], b"", b"x" * 500):
        (path / "ids.npy").write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            IdStore.open(path)
    IdStore.write(tmp_path / "other", ROWS, 256)
    (path / "ids.npy").write_bytes((tmp_path / "other" / "ids.npy").read_bytes())
    with pytest.raises(UserError, match="differ"):
        IdStore.open(path)


def test_a_full_disk_is_a_failure_while_running(tmp_path):
    resource = pytest.importorskip("resource", reason="needs POSIX limits on file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RunError, match=r"store: cannot write: .*; .*free some space"):
            IdStore.write(tmp_path / "store", [np.zeros(1000, dtype=np.int32)] * 100, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
