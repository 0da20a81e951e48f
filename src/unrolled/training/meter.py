"""What is measured between two lines of the log."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from unrolled.training.optimizer import Clipping


class Meter:
    """Sums over updates. Numbers stay on their device until :meth:`look`."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, int, Tensor, Clipping | None]] = []
        self._sums = {"updates": 0, "predictions": 0, "loss": 0.0}
        self._norms: list[float] = []
        self._clipped = 0
        self._clock = time.monotonic()
        self._timed = [0, 0]
        self._seconds = 0.0

    @property
    def updates(self) -> int:
        """How many were looked at since the last line of the log."""
        return int(self._sums["updates"])

    def start(self) -> None:
        """Start the clock."""
        self._clock = time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count this time."""
        begun = time.monotonic()
        yield
        self._clock += time.monotonic() - begun

    def add(self, update: int, count: int, tokens: int, loss: Tensor, clipping: Clipping | None) -> None:
        """Take in an update of ``count`` predictions: their summed loss in nats, and its gradient."""
        self._waiting.append((update, count, tokens, loss, clipping))

    def look(self) -> tuple[int, str] | None:
        """Fetch the numbers; answer the first update whose loss or gradient is not finite, and which."""
        for update, count, tokens, loss, clipping in self._waiting:
            total = float(loss)
            if not math.isfinite(total):
                return update, f"the loss is {total}"
            if clipping is not None:
                norm = float(clipping.norm)
                if not math.isfinite(norm):
                    return update, f"the gradient's norm is {norm}"
                self._norms.append(norm)
                self._clipped += int(clipping.clipped)
            self._sums["updates"] += 1
            self._sums["predictions"] += count
            self._sums["loss"] += total
            self._timed[0] += 1
            self._timed[1] += tokens
        self._waiting.clear()
        return None

    @property
    def loss(self) -> float:
        """Nats a prediction since the last line."""
        return self._sums["loss"] / max(1, self._sums["predictions"])

    @property
    def rate(self) -> float:
        """Tokens a second since the last line, validations and saving not counted."""
        return self._timed[1] / max(1e-9, time.monotonic() - self._clock)

    @property
    def seconds_per_update(self) -> float:
        """Over the last line's updates."""
        return self._seconds

    def figures(self) -> dict[str, Any] | None:
        """What a line of the log says, ``None`` when nothing happened since the last one.

        ``gradient_norms`` has the norm of every update, to five digits, ``clipped`` their share.
        """
        updates = self._sums["updates"]
        if not updates:
            return None
        if self._timed[0]:
            self._seconds = (time.monotonic() - self._clock) / self._timed[0]
        found: dict[str, Any] = {"loss": self.loss, "tokens_per_second": round(self.rate, 1)}
        if self._norms:
            found["gradient_norm"] = sum(self._norms) / len(self._norms)
            found["gradient_norm_largest"] = max(self._norms)
            found["gradient_norms"] = [float(f"{norm:.5g}") for norm in self._norms]
            found["clipped"] = self._clipped / len(self._norms)
        return found

    def reset(self) -> None:
        """Begin a new line."""
        self._sums = dict.fromkeys(self._sums, 0)
        self._norms, self._clipped = [], 0
        self._timed = [0, 0]
        self._clock = time.monotonic()

    def record(self) -> dict[str, Any]:
        """The sums, for a checkpoint between two lines; not the clock."""
        return {"sums": self._sums, "norms": self._norms, "clipped": self._clipped}

    def load(self, record: dict[str, Any]) -> None:
        """Go on from a :meth:`record`; one of before every norm was kept has none, and its line fewer."""
        self._sums = {name: record["sums"][name] for name in self._sums}
        self._norms, self._clipped = list(record.get("norms", ())), record.get("clipped", 0)
