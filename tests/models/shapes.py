"""Every task for two updates and an answer, shapes in signatures checked; run by ``test_shapes.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jaxtyping
import torch

MODELS = "bridge captioner classifier decoder encoder encoder_decoder language_model reader readout tagger"
jaxtyping.install_import_hook(
    ["unrolled.nn", *(f"unrolled.models.{name}" for name in MODELS.split())], "beartype.beartype"
)

import unrolled  # noqa: E402
from unrolled.nn.loss import projected_cross_entropy  # noqa: E402

FOLDER = Path(sys.argv[1])
LINES = [" ".join(letters) for letters in ("ab", "abc", "ca", "bca", "a", "cbab", "b", "cb")]


def train(task: str, data: str, model: str = "") -> Any:
    recipe = FOLDER / "my.toml"
    recipe.write_text(
        f'task = "{task}"\n[data]\ntrain = "{data}"\ndev = "{data}"\n'
        f"[model]\nembedding_size = 6\nhidden_size = 8\n{model}\n"
        "[training]\nupdates = 2\nbatch_tokens = 40\ntensorboard = false\n"
    )
    run = FOLDER / str(len(list(FOLDER.iterdir())))
    return unrolled.train(recipe, run, progress=False, threads=1)


def write(name: str, lines: list[str]) -> str:
    (FOLDER / name).write_text("\n".join(lines) + "\n")
    return name


pairs = write("pairs.tsv", [f"{line}\t{line.upper()}" for line in LINES])
for model in (
    'attention = "bahdanau"\nrecurrent_dropout = 0.1',
    'attention = "luong"\nscore = "general"',
    'attention = "none"\nconsistency = 1.0\nlayer_dropout = 0.1\ndecoder_layers = 2\ncell = "gru"',
):
    translator = train("translate", pairs, model)
    translator.translate(["a b", ""], beam=3, nbest=2)
    translator.translate(["a b c"], samples=2)
    translator.score(["a b"], ["A B"])
writer = train("language-model", write("text.txt", LINES * 9))
writer.generate("a", length=8)
writer.score(["a b"])
labels = write("labels.txt", [f"{'with' if 'a' in line else 'without'} {line}" for line in LINES])
train("classify", labels, 'pooling = "attention"\ncharacters = "recurrent"').classify(["a b"])
tags = [row for line in LINES for row in (*(f"{x} {'B-A' if x == 'a' else 'O'}" for x in line.split()), "")]
list(train("tag", write("tags.conll", tags)).predict(["a b"]))

try:  # that they are checked at all
    projected_cross_entropy(torch.zeros(2, 3), torch.zeros(4, 5), None, torch.zeros(2, dtype=torch.int64))
except jaxtyping.TypeCheckError:
    print("all shapes are as they say")
