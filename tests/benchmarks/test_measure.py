from __future__ import annotations

import pytest
import torch

from benchmarks import measure
from unrolled import kernels


def test_ratios_are_of_each_round() -> None:
    times = measure.Times({"ours": [1.0, 2.0, 4.0], "peer": [3.0, 4.0, 20.0]}, peak=[10.0, 5.0, 5.0])
    assert times.seconds() == 2.0
    assert times.ratio("peer") == 3.0
    assert times.share(gflop=5.0) == pytest.approx(0.5)
    assert times.peers == ["peer"]


def test_numbers_that_differ_are_not_timed() -> None:
    expected = torch.tensor([3.0, 4.0])
    assert measure.difference(expected + torch.tensor([0.0, 0.5]), expected) == pytest.approx(0.1)
    measure.check("same", measure.difference(expected, expected), 1e-6)
    for error in (1e-5, float("nan")):
        with pytest.raises(measure.WrongNumbersError, match="other"):
            measure.check("other", error, 1e-6)


@pytest.mark.skipif(kernels.load() is None, reason="the peak takes our own product's turn too")
def test_contenders_take_turns_and_who_begins_changes() -> None:
    order = []

    def contender(name: str) -> measure.Contender:
        def turn() -> float:
            order.append(name)
            return 1.0

        return turn

    times = measure.by_turns({"ours": contender("a"), "peer": contender("b")}, rounds=2)
    assert order == ["a", "b", "a", "b", "b", "a"]
    assert times.rounds == {"ours": [1.0, 1.0], "peer": [1.0, 1.0]}
    assert all(gflops > 0 for gflops in times.peak)
