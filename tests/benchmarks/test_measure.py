from __future__ import annotations

import pytest
import torch
from benchmarks.options import Options

from benchmarks import characters, measure
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


@pytest.mark.skipif(kernels.load() is None, reason="the peak takes our own product's turn too")
def test_who_fails_is_left_out_where_that_is_wanted() -> None:
    turns = iter([1.0, 1.0])

    def fails() -> float:
        try:
            return next(turns)
        except StopIteration:
            raise ValueError("no more") from None

    told = []
    contenders = {"ours": lambda: 1.0, "peer": fails, "other": lambda: 2.0}
    times = measure.by_turns(contenders, 3, lambda name, error: told.append((name, str(error))))
    assert told == [("peer", "no more")]
    assert times.rounds == {"ours": [1.0] * 3, "other": [2.0] * 3}
    with pytest.raises(ValueError, match="no more"):
        measure.by_turns(contenders, 3)


def test_the_limit_is_told() -> None:
    rounds = [measure.Times({}, [100.0, 300.0]), measure.Times({}, [200.0])]
    assert measure.limit(rounds) == ["peak: 200 GFLOP/s, the median of these rounds (100 to 300)"]
    assert measure.limit([]) == []


@pytest.mark.skipif(kernels.load() is None, reason="the peak takes our own product's turn too")
def test_a_stream_of_characters_stands_beside_the_reading_of_its_weights() -> None:
    found = characters.run(Options(rounds=1))
    assert found.columns[-1] == "of the reading limit"
    assert [row[0] for row in found.rows] == ["ours", "ours, bfloat16", "ours, int8", characters.LOOP]
    assert all(float(row[-1]) > 0 for row in found.rows)
    assert any("4.4 MB" in note and "GB/s" in note for note in found.notes)
