from __future__ import annotations

import math
from typing import Any

import pytest

from unrolled.runs import TrainingSettings
from unrolled.training.schedule import Schedule


def schedule(kind: str, horizon: int = 110, **settings: Any) -> Schedule:
    settings = {"warmup": 10, "minimum_learning_rate": 0.1, **settings}
    return Schedule(TrainingSettings(updates=110, learning_rate=1.0, schedule=kind, **settings), horizon)


@pytest.mark.parametrize("kind", ["constant", "plateau", "cosine", "linear", "inverse-sqrt"])
def test_warms_up_in_a_line_to_the_highest(kind: str) -> None:
    rates = [schedule(kind).learning_rate(update) for update in range(1, 11)]
    assert rates == pytest.approx([update / 10 for update in range(1, 11)])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0]),
        ("cosine", [0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2, 0.55, 0.1]),
        ("linear", [0.775, 0.55, 0.1]),
        ("inverse-sqrt", [math.sqrt(10 / 35), math.sqrt(10 / 60), math.sqrt(10 / 110)]),
    ],
)
def test_after_it(kind: str, expected: list[float]) -> None:
    assert [schedule(kind).learning_rate(update) for update in (35, 60, 110)] == pytest.approx(expected)


def test_never_goes_below_the_minimum() -> None:
    assert schedule("inverse-sqrt").learning_rate(10**6) == 0.1
    assert schedule("linear").learning_rate(10**6) == pytest.approx(0.1)


def test_a_plateau_lowers_it_and_a_record_remembers() -> None:
    one = schedule("plateau", decay_patience=2, decay_factor=0.5)
    seen = []
    for improved in (True, False, False, False, True, False, False):
        one.validated(improved)
        seen.append(one.learning_rate(50))
        other = schedule("plateau", horizon=1, decay_patience=2, decay_factor=0.5)
        other.load(one.record())
        one = other
    assert seen == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]
    assert one.horizon == 110
