"""Which validation was best, and how long ago."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unrolled.errors import UserError, nearest

if TYPE_CHECKING:
    from unrolled.metrics import Score


class Selection:
    """Follows one dev score over the validations of a training.

    Args:
        metric: the name of the score that chooses; the first of ``known`` unless given.
        known: the scores that the task gives.

    Raises:
        UserError: the task has no such score.
    """

    def __init__(self, metric: str | None, known: Sequence[str]) -> None:
        self.metric = next(iter(known), "") if metric is None else metric
        if metric is not None and metric not in known:
            raise UserError(f"training.selection: no dev score {metric!r}: {nearest(metric, known)}")
        self.best: float | None = None
        self.best_update = 0
        self.stalled = 0
        """Validations since the best one."""
        self.judged = 0
        """The update of the last one."""

    def judge(self, scores: Mapping[str, Score], update: int) -> bool:
        """Take in a validation; answer whether it is the best so far. A score that is no number never is.

        Raises:
            UserError: this part of the data did not give the score.
        """
        if self.metric not in scores:
            raise UserError(
                f"training.selection: dev has no {self.metric!r} to choose by: {nearest(self.metric, scores)}"
            )
        score, self.judged = scores[self.metric], update
        value = float(score.value)
        improved = not math.isnan(value) and (self.best is None or score.better_than(self.best))
        if improved:
            self.best, self.best_update, self.stalled = value, update, 0
        else:
            self.stalled += 1
        return improved

    def record(self) -> dict[str, Any]:
        """What :meth:`load` needs, as plain data."""
        return {
            "best": self.best,
            "best_update": self.best_update,
            "stalled": self.stalled,
            "judged": self.judged,
        }

    def load(self, record: dict[str, Any]) -> None:
        """Go on from a :meth:`record`."""
        self.best, self.best_update = record["best"], record["best_update"]
        self.stalled, self.judged = record["stalled"], record["judged"]
