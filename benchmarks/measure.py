"""How speed is measured: contenders take turns in every round.

A figure is the median over the rounds, a ratio the median of the rounds' ratios. A machine drifts within
minutes, so that nothing else would be worth writing down. The limit takes its turn too: the machine's best
float32 matrix product.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
from torch import Tensor

from unrolled import kernels
from unrolled.kernels.product import Packed, product

Contender = Callable[[], float]
"""One turn; answers the seconds of one run."""

OURS, READING = "ours", "reading the weights"
LEAST = 0.02
"""Seconds a turn lasts at least: short work is repeated, so that clock and scheduler matter little."""


def timed(run: Callable[[], object], least: float = LEAST) -> Contender:
    """A contender in this process."""

    def turn() -> float:
        begin = time.perf_counter()
        count = 0
        while True:
            run()
            count += 1
            passed = time.perf_counter() - begin
            if passed >= least:
                return passed / count

    return turn


@dataclass(frozen=True)
class Times:
    """Seconds of each contender in each round."""

    rounds: Mapping[str, list[float]]
    peak: list[float]
    """GFLOP/s of the machine's best product in each round."""

    def seconds(self, name: str = OURS) -> float:
        """Median over the rounds."""
        return statistics.median(self.rounds[name])

    def ratio(self, peer: str, name: str = OURS) -> float:
        """How many times faster than the peer: the median of the rounds' ratios."""
        return statistics.median(p / o for p, o in zip(self.rounds[peer], self.rounds[name], strict=True))

    def share(self, gflop: float, name: str = OURS) -> float:
        """Work over time, of the peak of the same round."""
        return statistics.median(gflop / s / p for s, p in zip(self.rounds[name], self.peak, strict=True))

    @property
    def peers(self) -> list[str]:
        return [name for name in self.rounds if name != OURS]


def _not_to_be_lost(name: str, error: Exception) -> None:
    raise error


def by_turns(
    contenders: Mapping[str, Contender],
    rounds: int,
    lost: Callable[[str, Exception], None] = _not_to_be_lost,
) -> Times:
    """Every contender once to warm up, then ``rounds`` rounds; who begins changes from round to round.

    A contender that fails is told to ``lost``, which may raise; if it does not, the rest go on.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    peak, peaks = Peak(), []

    def turn(name: str) -> None:
        try:
            times[name].append(contenders[name]())
        except Exception as error:
            lost(name, error)
            del times[name]

    for name in contenders:
        turn(name)
    for seconds in times.values():
        seconds.clear()  # that was to warm up
    for round_ in range(rounds):
        names = list(times)
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            turn(name)
        peaks.append(peak.gflops())
    return Times(times, peaks)


class Peak:
    """The machine's best float32 product: torch's or our own, whichever is faster in a round.

    torch's alone would be no limit everywhere: MKL leaves much of some processors unused.
    """

    def __init__(self, size: int = 1024) -> None:
        a, b, c = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
        self._gflop = 2e-9 * size**3
        self._turns = [
            timed(lambda: torch.mm(a, b, out=c)),
            timed(lambda: product(a, b, out=c)),
        ]
        self.gflops()

    def gflops(self) -> float:
        return self._gflop / min(turn() for turn in self._turns)


def limit(measured: Iterable[Times]) -> list[str]:
    """A note on the peak beside which a section's figures stand; none where nothing was measured."""
    found = [gflops for times in measured for gflops in times.peak]
    if not found:
        return []
    middle, least, most = (f"{f(found):.0f}" for f in (statistics.median, min, max))
    return [f"peak: {middle} GFLOP/s, the median of these rounds ({least} to {most})"]


def reading(size: int, width: int = 512) -> Contender:
    """The limit of work that reads ``size`` bytes of weights for one vector: the best product of a float32
    matrix of so many bytes with a vector, torch's or our own, or the sum of its numbers if that is faster."""
    matrix, row = torch.randn(size // (4 * width), width), torch.randn(1, width)
    vector, out = row[0], torch.empty(1, len(matrix))
    packed = Packed(matrix.t())
    turns = [
        timed(lambda: torch.mv(matrix, vector, out=out[0])),
        timed(lambda: product(row, packed, out=out)),
        timed(matrix.sum),
    ]
    return lambda: min(turn() for turn in turns)


def difference(found: Tensor, expected: Tensor) -> float:
    """‖found − expected‖ / ‖expected‖, in float64."""
    expected = expected.detach().double()
    return ((found.detach().double() - expected).norm() / expected.norm()).item()


@contextmanager
def reference() -> Iterator[None]:
    """Within the block nothing runs in native kernels."""
    with mock.patch.object(kernels, "load", return_value=None):
        yield


class WrongNumbersError(AssertionError):
    """A contender does not compute what the reference does: its time means nothing."""


def check(what: str, error: float, tolerance: float) -> None:
    """Before anything is timed.

    Raises:
        WrongNumbersError: the error is above the tolerance, or no number.
    """
    if not error <= tolerance:
        raise WrongNumbersError(
            f"{what}: differs from the reference by {error:.1e}, more than {tolerance:.0e}"
        )
