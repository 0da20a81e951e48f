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
from unrolled.embeddings.settings import EPOCHS, FIRST_RATE, LAST_RATE, BlockSettings, VectorSettings


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
    seed, block = int(torch.randint(2**31, ())), BlockSettings.model_validate({}).batch_words
    folder.mkdir(parents=True)
    try:
        Corpus.write(folder, rows, words)
        method = WindowMethod(settings, [""] * words, folder)
        model = method.build()
        plans = [method.plan(block, seed, epoch) for epoch in range(EPOCHS)]
        total = sum(map(len, plans))
        for done, step in enumerate(chain.from_iterable(plans)):
            rate = max(FIRST_RATE * (1 - done / total), LAST_RATE)
            method.learn(model, step.content, rate=rate, seed=seed, threads=torch.get_num_threads())
        return method.vectors(model)
    finally:
        shutil.rmtree(folder)
