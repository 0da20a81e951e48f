"""Which batches make which update, made ready in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from unrolled.errors import RunError
from unrolled.tasks import Batch, Task


@dataclass(frozen=True)
class Group:
    """The batches of one update."""

    epoch: int
    index: int
    """Which update of its epoch it is."""
    batches: list[Batch]
    last: bool
    """Whether the epoch ends with it."""

    @property
    def count(self) -> int:
        """The predictions in it."""
        return sum(batch.count for batch in self.batches)


def groups(
    task: Task, *, seed: int, accumulate: int, epoch: int, index: int, device: torch.device | str
) -> Iterator[Group]:
    """The updates from ``index`` of ``epoch`` on, without end; an epoch's last may have fewer batches.

    Raises:
        RunError: an epoch has no batches.
    """
    while True:
        plan = task.plan(seed, epoch)
        total = -(-len(plan) // accumulate)
        if not total:
            raise RunError(f"epoch {epoch}: the training data has no batches")
        for each in range(index, total):
            end = min((each + 1) * accumulate, len(plan))
            batches = [plan[i].to(device) for i in range(each * accumulate, end)]
            yield Group(epoch, each, batches, each == total - 1)
        epoch, index = epoch + 1, 0


def ahead(source: Iterator[Group], depth: int = 2) -> Generator[Group, None, None]:
    """``source``, read by a thread of its own that stays ``depth`` groups ahead of whoever consumes it."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        waiting: deque[Future[Group]] = deque(thread.submit(next, source) for _ in range(depth))
        try:
            while True:
                group = waiting.popleft().result()
                waiting.append(thread.submit(next, source))
                yield group
        finally:
            for future in waiting:
                future.cancel()
