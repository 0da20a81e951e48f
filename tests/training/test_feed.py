from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from unrolled.errors import RunError
from unrolled.training.feed import ahead, groups


class Item:
    def __init__(self, name: str) -> None:
        self.name, self.count = name, len(name)

    def to(self, device: str) -> Item:
        return Item(f"{self.name}@{device}")


def task(per_epoch: int = 5) -> Any:
    return SimpleNamespace(plan=lambda seed, epoch: [Item(f"{seed}.{epoch}.{i}") for i in range(per_epoch)])


def names(count: int, **where: int) -> list[tuple[int, int, list[str], bool]]:
    found = groups(task(), seed=7, device="cpu", **where)
    taken = [next(found) for _ in range(count)]
    return [(g.epoch, g.index, [b.name.split("@")[0][2:] for b in g.batches], g.last) for g in taken]  # type: ignore[attr-defined]


def test_updates_follow_one_another_through_epochs() -> None:
    assert names(4, accumulate=2, epoch=0, index=0) == [
        (0, 0, ["0.0", "0.1"], False),
        (0, 1, ["0.2", "0.3"], False),
        (0, 2, ["0.4"], True),
        (1, 0, ["1.0", "1.1"], False),
    ]


def test_can_begin_anywhere() -> None:
    assert names(6, accumulate=1, epoch=0, index=0)[3:] == names(3, accumulate=1, epoch=0, index=3)


def test_counts_predictions() -> None:
    group = next(groups(task(), seed=7, accumulate=2, epoch=0, index=0, device="cpu"))
    assert group.count == 2 * len("7.0.0@cpu")


def test_an_empty_epoch_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(RunError, match="no batches"):
        next(groups(task(0), seed=1, accumulate=1, epoch=2, index=0, device="cpu"))


def test_ahead_gives_all_in_order_from_another_thread_no_further_ahead_than_asked() -> None:
    made: list[tuple[int, str]] = []

    def source() -> Iterator[Any]:
        for i in range(100):
            made.append((i, threading.current_thread().name))
            yield i

    feed = ahead(source(), depth=2)
    for i in range(10):
        assert next(feed) == i
        time.sleep(0.001)
        assert len(made) <= i + 3
    feed.close()
    assert all(name.startswith("batches") for _, name in made)


def test_an_error_while_reading_reaches_the_consumer() -> None:
    def source() -> Iterator[Any]:
        yield 1
        raise OSError("gone")

    feed = ahead(source())
    assert next(feed) == 1
    with pytest.raises(OSError, match="gone"):
        next(feed)
