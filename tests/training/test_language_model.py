"""Exact resume where a state is carried from window to window: the language model."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from unrolled.runs import checkpoint
from unrolled.runs.weights import read_tensors
from unrolled.training import train
from unrolled.training.trainer import Trainer

HERE = Path(__file__).parent


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Every kind of dropout, resets, jittered windows, averaging: 11 to 14 updates an epoch."""
    generator = torch.Generator().manual_seed(0)
    words = ["the", "cat", "sat", "on", "a", "mat", "."]
    lines = [
        " ".join(words[i] for i in torch.randint(7, (9,), generator=generator).tolist()) for _ in range(40)
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n")
    path = tmp_path / "language.toml"
    path.write_text("""\
task = "language-model"
[data]
train = "text.txt"
dev_size = 0.2
[model]
layers = 2
embedding_size = 6
hidden_size = 8
reset = true
embedding_dropout = 0.1
word_dropout = 0.1
input_dropout = 0.1
layer_dropout = 0.1
recurrent_dropout = 0.1
weight_drop = 0.2
readout_dropout = 0.1
activation_penalty = 1.0
temporal_penalty = 1.0
[training]
updates = 30
columns = 3
window = 8
window_jitter = 2.0
optimizer = "sgd"
learning_rate = 1.0
averaging = "sgd-average"
average_trigger = 1
validate_every = "7 updates"
checkpoint_updates = 4
log_every = 3
tensorboard = false
""")
    return path


def final(run: Path) -> dict[str, torch.Tensor]:
    """Everything a finished run ends with, the carried state among it."""
    saved = checkpoint.latest(run / "state")
    assert saved
    assert any(name.startswith("carried.") for name in saved.tensors)
    return {**saved.tensors, **{f"model {n}": t for n, t in read_tensors(run / "model.safetensors").items()}}


def assert_same(run: Path, whole: Path) -> None:
    mine, theirs = final(run), final(whole)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name
    assert (run / "scores.json").read_text() == (whole / "scores.json").read_text()


class Stop(BaseException):
    """Ends a training as abruptly as a kill, but in the same process."""


@pytest.mark.parametrize("stop", [1, 6, 18, 29])
def test_stopped_within_an_epoch_and_resumed_is_the_same_bit_for_bit(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    train(recipe, tmp_path / "whole", threads=1, progress=False)
    step = Trainer._step

    def stopping(self: Trainer, group: object) -> None:
        if self.update == stop:
            raise Stop
        step(self, group)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", stopping)
        with suppress(Stop):
            train(recipe, tmp_path / "stopped", threads=1, progress=False)
    train(recipe, tmp_path / "stopped", threads=1, progress=False)
    assert_same(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.slow
def test_killed_at_random_moments_is_the_same_bit_for_bit(recipe: Path, tmp_path: Path) -> None:
    seed = 7
    command = [sys.executable, HERE / "kill.py", recipe, tmp_path, "3", "4", str(seed)]
    answer = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    print(f"seed {seed}: {answer.stdout.strip()} kills met a training under way")
    assert int(answer.stdout) >= 3
    for number in (1, 2, 3):
        assert_same(tmp_path / f"killed{number}", tmp_path / "killed0")
