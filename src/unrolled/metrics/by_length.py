"""A metric by the length of the source: the curve that shows what attention is for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from unrolled.errors import UserError
from unrolled.metrics.score import Score

EDGES = (10, 20, 30, 40, 50)


class Bucket(NamedTuple):
    """The segments whose source has ``shortest`` to ``longest`` tokens (``None``: any number above)."""

    shortest: int
    longest: int | None
    segments: int
    mean_length: float
    score: Score

    @property
    def label(self) -> str:
        return f"{self.shortest}–{self.longest}" if self.longest is not None else f"over {self.shortest - 1}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "segments": self.segments,
            "mean_length": self.mean_length,
            "value": self.score.value,
            "low": self.score.low,
            "high": self.score.high,
        }


def by_length(score: Score, lengths: ArrayLike, edges: Sequence[int] = EDGES) -> list[Bucket]:
    """A score anew on the segments of each range of lengths: up to ``edges[0]``, … , above ``edges[-1]``.

    Ranges without segments are left out.

    Args:
        lengths: of each segment's source in tokens, ``(segments,)``.

    Raises:
        UserError: a score without statistics, not one length a segment, or edges that do not rise.
    """
    if score.tally is None:
        raise UserError(f"{score.name} holds no statistics per segment: evaluate again")
    sizes = np.asarray(lengths)
    if sizes.shape != (len(score.tally),):
        raise UserError(f"{sizes.size} lengths for {len(score.tally)} segments: one each")
    if not edges or any(above <= below for below, above in pairwise(edges)):
        raise UserError(f"edges {list(edges)} must be numbers that rise")
    numbers = np.searchsorted(np.asarray(edges), sizes, side="left")
    buckets = []
    for number in np.unique(numbers).tolist():
        chosen = numbers == number
        tally = score.tally.at(chosen)
        part = Score(
            score.name,
            float(tally.value(tally.total())),
            signature=score.signature,
            higher_is_better=score.higher_is_better,
            tally=tally,
        )
        shortest = edges[number - 1] + 1 if number else 0
        longest = edges[number] if number < len(edges) else None
        buckets.append(Bucket(shortest, longest, int(chosen.sum()), float(sizes[chosen].mean()), part))
    return buckets
