"""A figure with what is needed to cite it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unrolled.metrics.significance import interval

if TYPE_CHECKING:
    from unrolled.metrics.tally import Tally


class Score:
    """One metric on one test set. Shares, BLEU and chrF are on a scale of 0 to 100.

    Args:
        name: what it is: ``"BLEU"``, ``"word error rate"``.
        value: the figure.
        low, high: its 95 % interval. Left out, they are bootstrapped from the tally when first asked for
            (1,000 draws, fixed seed), and are ``None`` without a tally of two segments at least.
        signature: every choice that changes the figure, in sacreBLEU's manner.
        higher_is_better: ``False`` for error rates and perplexity.
        details: further figures, plain data.
        tally: the statistics per segment, for intervals, paired tests and splits by length.
        over: a digest of what was scored, where that is a run's own choice: the vocabulary, where units or
            segments are its tokens; the questions it knows. Scores over others are not compared.
    """

    def __init__(
        self,
        name: str,
        value: float,
        low: float | None = None,
        high: float | None = None,
        signature: str = "",
        higher_is_better: bool = True,
        details: dict[str, Any] | None = None,
        tally: Tally | None = None,
        over: str = "",
    ) -> None:
        self.name = name
        self.value = value
        self.signature = signature
        self.higher_is_better = higher_is_better
        self.details = details or {}
        self.tally = tally
        self.over = over
        if low is not None and high is not None:
            self.interval = (low, high)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, ``(low, high)``."""
        # Draws of one segment are all the same, which says nothing.
        return interval(self.tally) if self.tally is not None and len(self.tally) > 1 else None

    @property
    def low(self) -> float | None:
        return self.interval[0] if self.interval else None

    @property
    def high(self) -> float | None:
        return self.interval[1] if self.interval else None

    def better_than(self, other: Score | float) -> bool:
        """Whether this figure is strictly better than another of the same metric."""
        value = other.value if isinstance(other, Score) else other
        return self.value > value if self.higher_is_better else self.value < value

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data (the tally excepted), the interval included."""
        return {
            "name": self.name,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "signature": self.signature,
            "higher_is_better": self.higher_is_better,
            **({"details": self.details} if self.details else {}),
        }

    def __str__(self) -> str:
        text = f"{self.name} = {self.value:.2f}"
        if self.interval:
            text += f" [{self.low:.2f}, {self.high:.2f}]"
        return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.value!r}, signature={self.signature!r})"


def signature(name: str, **choices: object) -> str:
    """``name|key:value|…|version:unrolled-x.y.z``: what to print beside a figure to repeat it."""
    # By name, not by an import statement: the package's root is above every floor.
    version = importlib.import_module("unrolled").__version__
    parts = [f"{key}:{_plain(value)}" for key, value in choices.items()]
    return "|".join([name, *parts, f"version:unrolled-{version}"])


def reference_count(references: Sequence[Sequence[str]]) -> str:
    """How many references a segment has, ``var`` when that differs: the ``nrefs`` of a signature."""
    counts = {len(each) for each in references}
    return str(counts.pop()) if len(counts) == 1 else "var"


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
