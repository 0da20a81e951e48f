"""Training on the native kernels follows the loss curve of the reference path."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled import kernels

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

TRAINING = """
[training]
updates = 40
learning_rate = 0.01
log_every = 1
tensorboard = false
"""
RECIPES = {
    "translator": """
task = "translate"
[data]
train = "pairs.tsv"
dev = "pairs.tsv"
[model]
attention = "bahdanau"
score = "additive"
embedding_size = 12
hidden_size = 20
label_smoothing = 0.1
"""
    + TRAINING
    + "batch_tokens = 120\n",
    "language model": """
task = "language-model"
[data]
train = "text.txt"
dev_size = 0.2
[model]
cell = "lstm"
layers = 2
embedding_size = 12
hidden_size = 20
"""
    + TRAINING
    + "columns = 4\nwindow = 8\n",
}


PROGRAM = """
import sys
from unrolled.training import train
for name in sys.argv[2:]:
    train(f"{name}.toml", f"{sys.argv[1]}/{name}", threads=1, progress=False)
"""


def test_losses_are_those_of_the_reference_path(tmp_path: Path) -> None:
    draw = random.Random(1)
    lines = [[draw.choice("abcdefg") for _ in range(draw.randint(2, 9))] for _ in range(60)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{' '.join(x)}\t{' '.join(x[::-1])}\n" for x in lines))
    (tmp_path / "text.txt").write_text("".join(f"{' '.join(sorted(x))}\n" for x in lines))
    for name, recipe in RECIPES.items():
        (tmp_path / f"{name}.toml").write_text(recipe)
    for path in ("native", "reference"):
        subprocess.run(
            [sys.executable, "-c", PROGRAM, path, *RECIPES],
            env={**os.environ, "UNROLLED_KERNELS": path},
            cwd=tmp_path,
            check=True,
        )
    for name in RECIPES:
        native, reference = (_losses(tmp_path / path / name) for path in ("native", "reference"))
        assert len(native) == 40
        assert native[-1] < 0.9 * native[0]
        assert native == pytest.approx(reference, rel=1e-5), name


def _losses(run: Path) -> list[float]:
    log = (json.loads(line) for line in (run / "log.jsonl").read_text().splitlines())
    return [line["loss"] for line in log if "loss" in line]
