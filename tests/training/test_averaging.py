from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from unrolled.runs import TrainingSettings
from unrolled.training.averaging import Averaging, build_averaging


def averaging(kind: str, **settings: Any) -> Averaging:
    return build_averaging(TrainingSettings(updates=1, averaging=kind, **settings))


class Weight(nn.Module):
    """One weight, and a buffer that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def set(self, value: float) -> Weight:
        with torch.no_grad():
            self.weight.fill_(value)
        self.count += 1
        return self


def applied(average: Averaging, model: Weight) -> float:
    own = model.weight.item()
    with average.applied(model):
        found = model.weight.item()
    assert model.weight.item() == own
    return found


def reload(average: Averaging, kind: str, **settings: Any) -> Averaging:
    """A fresh one that goes on from what the first would leave in a checkpoint."""
    other = averaging(kind, **settings)
    other.load({name: tensor.clone() for name, tensor in average.tensors().items()})
    return other


def test_none_is_the_models_own_weights() -> None:
    average, model = averaging("none"), Weight().set(3.0)
    average.updated(model)
    assert average.average() is None
    assert applied(average, model) == 3.0


def test_exponential_is_the_recursion_and_soon_forgets_the_start() -> None:
    average, model, expected = averaging("ema", average_decay=0.5), Weight(), 0.0
    for n, value in enumerate((1.0, 2.0, 4.0, 8.0, 3.0, 5.0, 7.0, 1.0)):
        average.updated(model.set(value))
        decay = min(0.5, (1 + n) / (10 + n))
        expected = value if n == 0 else decay * expected + (1 - decay) * value
        assert applied(average, model) == pytest.approx(expected)
        average = reload(average, "ema", average_decay=0.5)
    assert int(average.average()["count"]) == 8  # type: ignore[index]


def test_checkpoints_is_the_mean_of_the_last_validations() -> None:
    average, model = averaging("checkpoints", average_last=2), Weight()
    for value, expected in ((1.0, 1.0), (3.0, 2.0), (9.0, 6.0)):
        average.validating(model.set(value))
        assert applied(average, model) == pytest.approx(expected)
        average = reload(average, "checkpoints", average_last=2)


def test_sgd_average_is_the_mean_of_all_since_dev_stalled() -> None:
    average, model = averaging("sgd-average", average_trigger=2), Weight()
    average.updated(model.set(5.0))
    average.validated(model, stalled=1)
    assert average.average() is None
    average.updated(model.set(1.0))
    average.validated(model, stalled=2)
    for value, expected in ((2.0, 1.5), (6.0, 3.0)):
        average.updated(model.set(value))
        average.validated(model, stalled=0)
        assert applied(average, model) == pytest.approx(expected)
        average = reload(average, "sgd-average", average_trigger=2)


def test_weights_are_put_back_after_a_failure() -> None:
    average, model = averaging("checkpoints"), Weight().set(1.0)
    average.validating(model)
    model.set(2.0)
    with pytest.raises(RuntimeError), average.applied(model):
        raise RuntimeError
    assert model.weight.item() == 2.0
