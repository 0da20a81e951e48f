from __future__ import annotations

import platform

import pytest
from benchmarks.memory import Peak

from unrolled.embeddings import give_back


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_freed_blocks_between_others_are_given_back() -> None:
    blocks = [bytes(1000) for _ in range(50_000)]
    blocks = blocks[::1000]
    before = Peak.now()
    give_back()
    assert Peak.now() < before - 30_000_000
    assert len(blocks) == 50


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    give_back()
