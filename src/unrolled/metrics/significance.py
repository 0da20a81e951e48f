"""Bootstrap intervals, and the paired bootstrap that tells whether two systems differ.

Segments are drawn with replacement and the metric is computed anew on their summed statistics (Koehn 2004,
"Statistical Significance Tests for Machine Translation Evaluation"). Draws, interval and p-value are those of
sacreBLEU with the same seed, so that figures can be set side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.errors import UserError

if TYPE_CHECKING:
    from unrolled.metrics.score import Score
    from unrolled.metrics.tally import Counts, Tally

RESAMPLES = 1000
SEED = 12345
_DRAWS_AT_ONCE = 1 << 22


def bootstrap(*tallies: Tally, resamples: int = RESAMPLES, seed: int = SEED) -> list[Counts]:
    """The metric of each tally on ``resamples`` draws of its segments, each ``(resamples,)``.

    Several tallies (of the same segments) see the same draws.

    Raises:
        UserError: the tallies have different numbers of segments, or none.
    """
    segments = len(tallies[0])
    if any(len(tally) != segments for tally in tallies):
        sizes = " and ".join(str(len(tally)) for tally in tallies)
        raise UserError(f"scores of {sizes} segments cannot be paired: score both on the same test set")
    if segments == 0:
        raise UserError("no segments to draw from: the test set is empty")
    generator = np.random.default_rng(seed)
    statistics = [np.ascontiguousarray(tally.statistics, dtype=np.float64) for tally in tallies]
    sums = [np.empty((resamples, each.shape[1])) for each in statistics]
    step = max(1, _DRAWS_AT_ONCE // segments)
    for first in range(0, resamples, step):
        draws = generator.integers(0, segments, size=(min(step, resamples - first), segments))
        # How often each segment was drawn, times its statistics: one product instead of a gather.
        often = np.stack([np.bincount(drawn, minlength=segments) for drawn in draws]).astype(np.float64)
        for each, into in zip(statistics, sums, strict=True):
            into[first : first + len(draws)] = often @ each
    return [tally.value(each) for tally, each in zip(tallies, sums, strict=True)]


def percentiles(values: Counts) -> tuple[float, float]:
    """The 95 % interval of bootstrap values: a fortieth is cut at either end."""
    ordered = np.sort(values)
    cut = len(ordered) // 40
    return float(ordered[cut]), float(ordered[len(ordered) - cut - 1])


def interval(tally: Tally, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[float, float]:
    """The 95 % bootstrap interval of a metric.

    Raises:
        UserError: no segments.
    """
    low, high = percentiles(bootstrap(tally, resamples=resamples, seed=seed)[0])
    if not tally.grows:
        return low, high
    value = float(tally.value(tally.total()))
    return max(0.0, 2 * value - high), max(0.0, 2 * value - low)


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same segments, ``first`` against ``second``.

    Attributes:
        difference: value of the first less that of the second.
        low, high: its 95 % bootstrap interval.
        p_value: two-sided, of no difference: how often the difference of a draw strays from its mean
            by more than the difference observed (sacreBLEU's paired bootstrap).
        better: the share of draws in which the first is the better one, ties counted half.
    """

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    better: float
    resamples: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def compare(first: Score, second: Score, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison:
    """Paired bootstrap of two scores of the same metric on the same test set.

    Of a single segment, or of two infinite values, nothing can be said: the interval is not a number, the
    p-value 1.

    Raises:
        UserError: different metrics, different numbers of segments, scores over different vocabularies, or
            one without statistics.
    """
    if first.name != second.name:
        raise UserError(f"{first.name} and {second.name} are different metrics: compare like with like")
    if first.over != second.over:
        raise UserError(f"{first.name} is of other tokens or questions: the vocabularies differ")
    if first.tally is None or second.tally is None:
        raise UserError(f"{first.name} holds no statistics per segment: evaluate again before comparing")
    one, other = bootstrap(first.tally, second.tally, resamples=resamples, seed=seed)
    observed = first.value - second.value
    silent = len(first.tally) < 2 or math.isnan(observed)
    with np.errstate(invalid="ignore"):  # infinite values of both
        differences = one - other
        strayed = np.abs(differences)
        # ">=" where sacreBLEU has ">": two systems of the same output do not differ, and their p-value is 1.
        beyond = int((strayed - strayed.mean() >= abs(observed)).sum())
    low, high = (math.nan, math.nan) if silent else percentiles(differences)
    wins = differences > 0 if first.higher_is_better else differences < 0
    return Comparison(
        name=first.name,
        first=first.value,
        second=second.value,
        difference=observed,
        low=low,
        high=high,
        p_value=1.0 if silent else (beyond + 1) / (resamples + 1),
        better=0.5 if silent else float(wins.mean() + 0.5 * (differences == 0).mean()),
        resamples=resamples,
        seed=seed,
    )
