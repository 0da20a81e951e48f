"""The learning rate of every update."""

from __future__ import annotations

import math
from typing import Any

from unrolled.runs import TrainingSettings


class Schedule:
    """Linear warm-up, then the recipe's schedule. Only ``plateau`` remembers anything.

    Args:
        horizon: the update at which cosine and linear reach the minimum.
    """

    def __init__(self, settings: TrainingSettings, horizon: int) -> None:
        self.settings = settings
        self.horizon = horizon
        self.decay = 1.0
        self.stalled = 0

    def learning_rate(self, update: int) -> float:
        """The learning rate of the ``update``-th update, counted from 1."""
        highest, warmup = self.settings.learning_rate, self.settings.warmup
        if update <= warmup:
            return highest * update / warmup
        return max(self.settings.minimum_learning_rate, self._after_warmup(update))

    def _after_warmup(self, update: int) -> float:
        highest, lowest = self.settings.learning_rate, self.settings.minimum_learning_rate
        warmup = self.settings.warmup
        share = min(1.0, (update - warmup) / max(1, self.horizon - warmup))
        match self.settings.schedule:
            case "constant":
                return highest
            case "plateau":
                return highest * self.decay
            case "cosine":  # Loshchilov & Hutter 2017, equation 5, without restarts
                return lowest + (highest - lowest) * (1 + math.cos(math.pi * share)) / 2
            case "linear":
                return highest + (lowest - highest) * share
            case "inverse-sqrt":  # Vaswani et al. 2017, section 5.3
                return highest * math.sqrt(max(1, warmup) / update)

    @property
    def ends(self) -> bool:
        """Whether an update after the horizon would change nothing."""
        return self.settings.schedule in ("cosine", "linear") and not self.settings.minimum_learning_rate

    def validated(self, improved: bool) -> None:
        """Be told whether the last validation was the best so far."""
        self.stalled = 0 if improved else self.stalled + 1
        if self.stalled >= self.settings.decay_patience:
            self.decay *= self.settings.decay_factor
            self.stalled = 0

    def record(self) -> dict[str, Any]:
        """What :meth:`load` needs, as plain data."""
        return {"horizon": self.horizon, "decay": self.decay, "stalled": self.stalled}

    def load(self, record: dict[str, Any]) -> None:
        """Go on from a :meth:`record`."""
        self.horizon, self.decay, self.stalled = record["horizon"], record["decay"], record["stalled"]
