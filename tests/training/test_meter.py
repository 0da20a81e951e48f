from __future__ import annotations

import json

import pytest
import torch

from unrolled.training.meter import Meter
from unrolled.training.optimizer import Clipping


def add(meter: Meter, update: int, count: int, loss: float, norm: float, clipped: bool = False) -> None:
    meter.add(
        update, count, 3 * count, torch.tensor(loss), Clipping(torch.tensor(norm), torch.tensor(clipped))
    )


def test_a_line_sums_up_the_updates_since_the_last() -> None:
    meter = Meter()
    assert meter.figures() is None
    add(meter, 1, 10, 20.0, 1.0)
    add(meter, 2, 30, 20.0, 5.0, clipped=True)
    assert meter.look() is None
    figures = meter.figures()
    assert figures is not None
    assert figures["loss"] == pytest.approx(1.0)
    assert (figures["gradient_norm"], figures["gradient_norm_largest"], figures["clipped"]) == (3.0, 5.0, 0.5)
    assert figures["gradient_norms"] == [1.0, 5.0]
    assert figures["tokens_per_second"] > 0
    meter.reset()
    assert meter.figures() is None


@pytest.mark.parametrize(
    ("loss", "norm", "what"), [(float("nan"), 1.0, "loss is nan"), (1.0, float("inf"), "norm is inf")]
)
def test_the_first_update_that_is_no_number_is_named(loss: float, norm: float, what: str) -> None:
    meter = Meter()
    add(meter, 4, 1, 1.0, 1.0)
    add(meter, 5, 1, loss, norm)
    add(meter, 6, 1, float("nan"), 1.0)
    found = meter.look()
    assert found is not None
    assert found[0] == 5
    assert what in found[1]


def test_a_record_carries_the_sums_over() -> None:
    one, other = Meter(), Meter()
    add(one, 1, 10, 20.0, 4.0)
    one.look()
    other.load(json.loads(json.dumps(one.record())))
    for meter in (one, other):
        add(meter, 2, 10, 10.0, 2.0)
        meter.look()
    assert one.loss == other.loss == pytest.approx(1.5)
    assert other.figures()["gradient_norms"] == [4.0, 2.0]  # type: ignore[index]
    assert other.rate < one.rate * 1e6


def test_a_record_from_before_every_norm_was_kept_is_taken_up() -> None:
    sums = {"updates": 2, "predictions": 20, "loss": 30.0, "gradients": 2, "norm": 6.0, "clipped": 2}
    meter = Meter()
    meter.load({"sums": sums, "largest": 4.0})
    add(meter, 3, 10, 15.0, 2.0)
    meter.look()
    figures = meter.figures()
    assert figures is not None
    assert (figures["loss"], figures["gradient_norms"], figures["clipped"]) == (1.5, [2.0], 0.0)


def test_paused_time_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    meter = Meter()
    meter.start()
    add(meter, 1, 40, 1.0, 1.0)
    meter.look()
    now[0] += 2
    with meter.paused():
        now[0] += 50
    assert meter.rate == pytest.approx(60.0), "tokens, of which there are three a prediction"
    meter.figures()
    assert meter.seconds_per_update == pytest.approx(2.0)
