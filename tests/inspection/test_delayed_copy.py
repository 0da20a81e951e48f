"""The experiment of docs/inspection.md, as the script that draws its picture runs it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def experiment() -> Any:
    path = Path(__file__).parents[2] / "docs" / "delayed_copy.py"
    specification = importlib.util.spec_from_file_location("delayed_copy", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["delayed_copy"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def test_it_runs_and_draws(experiment: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    found = [experiment.run(cell, 0, updates=1) for cell in experiment.CELLS]
    for each in found:
        assert each.gradients.count.tolist() == [experiment.BATCH] * (experiment.DELAY + 1)
    experiment.picture(found, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1000


@pytest.mark.slow
def test_an_lstm_learns_across_fifty_steps_and_a_tanh_rnn_does_not(experiment: Any) -> None:
    lstm, rnn = ([experiment.run(cell, seed) for seed in experiment.SEEDS] for cell in ("lstm", "rnn"))
    for one, other in zip(lstm, rnn, strict=True):
        print(one.seed, one.accuracy, one.at_delay, other.accuracy, other.at_delay)
    assert min(each.accuracy for each in lstm) > 0.9
    assert max(each.accuracy for each in rnn) < 0.4
    ratios = np.array([one.at_delay / other.at_delay for one, other in zip(lstm, rnn, strict=True)])
    assert ratios.min() > 1000
