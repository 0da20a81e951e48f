"""Sufficient statistics: what a metric keeps of each segment.

Every metric here is a function of a sum over segments. Keeping the summands, not the sum, is what lets one
bootstrap, one paired test and one split by length serve them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]
"""Statistics ``(segments, kinds)``, or sums of them ``(…, kinds)``."""


@dataclass(frozen=True, eq=False)
class Tally:
    """The statistics of each segment, and how a sum of them becomes the metric's value.

    Attributes:
        statistics: ``(segments, kinds)``, integers or floats.
        value: from sums ``(…, kinds)`` (float64) to values ``(…)``.
        grows: whether the noise of a draw can only add to the value, as to a sum of sizes; the interval of
            the draws is then mirrored at the value.
    """

    statistics: Counts
    value: Callable[[Counts], Counts]
    grows: bool = False

    def __len__(self) -> int:
        return len(self.statistics)

    def total(self) -> Counts:
        """The sums over all segments, ``(kinds,)`` float64 (exact for counts below 2⁵³)."""
        return self.statistics.sum(axis=0, dtype=np.float64)

    def at(self, segments: Counts) -> Tally:
        """The tally of some segments alone: indices or a mask."""
        return replace(self, statistics=self.statistics[segments])


def share(sums: Counts) -> Counts:
    """100 · first / second, and 0 where the second is 0: the value of every plain rate, in percent."""
    return 100.0 * ratio(sums[..., 0], sums[..., 1])


def ratio(numerator: Counts, denominator: Counts) -> Counts:
    """``numerator / denominator``, and 0 where the denominator is 0."""
    return np.divide(
        numerator,
        denominator,
        out=np.zeros(np.broadcast_shapes(np.shape(numerator), np.shape(denominator))),
        where=np.asarray(denominator) != 0,
    )
