from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unrolled.errors import RunError, UserError
from unrolled.runs import average, checkpoint, load
from unrolled.runs.average import WEIGHTS
from unrolled.runs.weights import read_tensors

Fit = Callable[..., Path]


def test_the_mean_of_runs_is_a_run(fit: Fit, tmp_path: Path) -> None:
    runs = [fit(name, seed=seed) for seed, name in enumerate("abc")]
    average(runs, tmp_path / "mean")
    each = [read_tensors(run / "model.safetensors") for run in runs]
    for name, tensor in read_tensors(tmp_path / "mean" / "model.safetensors").items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, sum(tensors[name] for tensors in each) / 3)
    assert next(iter(load(tmp_path / "mean").predict(["1 2 3"]))).text


def test_the_mean_of_checkpoints(fit: Fit, tmp_path: Path) -> None:
    run = fit("a", "training.checkpoint_updates=10", "training.keep=3")
    folders = checkpoint.numbered(run / "state")
    assert len(folders) == 3
    average(folders, tmp_path / "mean")
    biases = [checkpoint.read(folder).tensors[f"{WEIGHTS}outside.bias"] for folder in folders]
    found = read_tensors(tmp_path / "mean" / "model.safetensors")
    torch.testing.assert_close(found["outside.bias"], sum(biases) / 3)


def test_a_full_disk_leaves_nothing(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fit("a", "training.updates=2")
    before = sorted(tmp_path.iterdir())

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(RunError, match="mean: cannot write: No space left"):
        average([run], tmp_path / "mean")
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_averaged(fit: Fit, tmp_path: Path) -> None:
    one, two = fit("a", "training.updates=2"), fit("b", "training.updates=2", "model.hidden=5")
    with pytest.raises(
        UserError, match=r"b: its 'inside.bias' is not that of .*a: they are different models"
    ):
        average([one, two], tmp_path / "mean")
    with pytest.raises(UserError, match="no run given"):
        average([], tmp_path / "mean")
    with pytest.raises(UserError, match="a: exists: give a new folder"):
        average([one], one)
    with pytest.raises(UserError, match="no such run folder"):
        average([tmp_path / "nowhere"], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
