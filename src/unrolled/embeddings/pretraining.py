"""Vectors for a model's own words, learnt from its own training texts before all else."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray

from unrolled.embeddings.corpus import Corpus
from unrolled.embeddings.method import WindowMethod
from unrolled.embeddings.settings import VectorSettings

_EPOCHS, _FIRST_RATE, _LAST_RATE, _BLOCK = 5, 0.025, 0.0001, 20_000


def skip_gram(
    rows: Iterable[NDArray[np.integer]], words: int, size: int, folder: Path
) -> Float32[np.ndarray, "words size"]:
    """Skip-gram with negative sampling (Mikolov et al. 2013) as ``unrolled embed train`` has it by default.

    The same vectors for any number of threads; the first are drawn from torch's current generator.

    Args:
        rows: texts of ids below ``words``.
        folder: for what is kept meanwhile; it is removed.
    """
    settings = VectorSettings.model_validate({"dimensions": size, "reproducible": True})
    seed = int(torch.randint(2**31, ()))
    folder.mkdir(parents=True)
    try:
        Corpus.write(folder, rows, words)
        method = WindowMethod(settings, [""] * words, folder)
        model = method.build()
        plans = [method.plan(_BLOCK, seed, epoch) for epoch in range(_EPOCHS)]
        total = sum(map(len, plans))
        for done, step in enumerate(chain.from_iterable(plans)):
            rate = max(_FIRST_RATE * (1 - done / total), _LAST_RATE)
            method.learn(model, step.content, rate=rate, seed=seed, threads=torch.get_num_threads())
        return method.vectors(model)
    finally:
        shutil.rmtree(folder)
