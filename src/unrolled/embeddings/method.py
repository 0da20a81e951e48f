"""Ways of learning vectors: what each needs of the text, and what an update of it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import nn

from unrolled import kernels
from unrolled.embeddings import glove, window
from unrolled.embeddings.corpus import LONGEST, Corpus, Sentences
from unrolled.embeddings.noise import AliasTable, keep_odds, noise_table
from unrolled.embeddings.pairs import block_sizes, count_pairs, make_table, read_block
from unrolled.embeddings.pieces import Pieces, Spelling, compose
from unrolled.embeddings.settings import VectorSettings
from unrolled.kernels.embeddings import GLOVE_TENSORS, WindowJob, train_glove, train_windows

BLOCK_WORDS = 1 << 18
"""Words in memory while pairs are counted."""
MERGE_PAIRS = 1 << 17
"""Pairs in memory while their counts are added up."""


@dataclass(frozen=True)
class Step:
    """What an update consumes: a block of text, or of counted pairs."""

    content: Any
    count: int
    """Words, or pairs."""

    def to(self, device: torch.device | str) -> Step:
        return self


class Method(ABC):
    """A way of learning the vectors of ``words``; what it needs on disk is below ``cache``.

    Its model is a module whose parameters are not differentiated: the kernels change them in place, or the
    reference loops in NumPy where there are no kernels.
    """

    def __init__(self, settings: VectorSettings, words: Sequence[str], cache: Path) -> None:
        self.settings = settings
        self.words = words
        self.cache = cache
        self.corpus = Corpus(cache)

    def prepare(self, batch_words: int, progress: Callable[[str, float], None]) -> None:  # noqa: B027
        """Make of the corpus what :meth:`plan` reads; once a run. Most read it as it is."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The matrices, drawn from torch's current generator."""

    @abstractmethod
    def plan(self, batch_words: int, seed: int, epoch: int) -> Sequence[Step]:
        """The steps of an epoch, made when asked for."""

    @abstractmethod
    def learn(self, model: nn.Module, content: Any, *, rate: float, seed: int, threads: int) -> float:
        """One step; the mean loss of its words or pairs before it (of a sample of them)."""

    @abstractmethod
    def vectors(self, model: nn.Module) -> Float32[np.ndarray, "words size"]:
        """A vector a word; the memory may be the model's own."""

    def unseen(self, model: nn.Module) -> Callable[[str], NDArray[np.float32] | None] | None:
        """How an unseen word's vector is made, where it can be."""
        return None


class WindowMethod(Method):
    """Skip-gram and CBOW: ``input`` holds what words are, ``output`` what they predict."""

    def build(self) -> nn.Module:
        size, words = self.settings.dimensions, len(self.words)
        rows = words + (self.settings.piece_rows if self._spelling is not None else 0)
        return _module(
            input=torch.empty(rows, size).uniform_(-0.5 / size, 0.5 / size), output=torch.zeros(words, size)
        )

    def plan(self, batch_words: int, seed: int, epoch: int) -> Sequence[Step]:
        def make(index: int) -> Step:
            ids, bounds, position = self.corpus.block(index, batch_words)
            return Step(Sentences(ids, bounds, epoch * self.corpus.total + position), len(ids))

        return _Lazy(self.corpus.block_count(batch_words), make)

    def learn(self, model: nn.Module, content: Sentences, *, rate: float, seed: int, threads: int) -> float:
        keep, noise = self._tables
        arrays, pieces = _arrays(model), self._pieces
        job = WindowJob(
            architecture=int(self.settings.method == "cbow"),
            window=self.settings.reach,
            negatives=self.settings.negatives,
            seed=seed,
            total=1,  # the rate is the same for the whole step
            first_rate=rate,
            last_rate=rate,
            keep=keep,
            noise_odds=noise.odds,
            noise_alias=noise.alias,
            input=arrays["input"],
            output=arrays["output"],
            pieces_begin=None if pieces is None else pieces.begin,
            pieces=None if pieces is None else pieces.rows,
        )
        if kernels.load() is None:
            loss, predicted = window.train_windows(job, *content)
        else:
            synchronous = self.settings.reproducible
            loss, predicted = train_windows(job, *content, threads=threads, synchronous=synchronous)
        return loss / max(1, predicted)

    def vectors(self, model: nn.Module) -> Float32[np.ndarray, "words size"]:
        rows = _arrays(model)["input"]
        return rows if self._pieces is None else compose(rows, self._pieces)

    def unseen(self, model: nn.Module) -> Callable[[str], NDArray[np.float32] | None] | None:
        spelling, rows = self._spelling, _arrays(model)["input"]
        return None if spelling is None else lambda word: spelling.vector(word, rows)

    @cached_property
    def _tables(self) -> tuple[NDArray[np.uint32], AliasTable]:
        counts = self.corpus.counts
        return keep_odds(counts, self.settings.subsample), noise_table(counts, self.settings.noise_power)

    @cached_property
    def _spelling(self) -> Spelling | None:
        lengths = self.settings.piece_lengths
        return None if lengths is None else Spelling(lengths, len(self.words), self.settings.piece_rows)

    @cached_property
    def _pieces(self) -> Pieces | None:
        return None if self._spelling is None else self._spelling.pieces(self.words)


class GloveMethod(Method):
    """GloVe: w·w̃ + b + b̃ ≈ log X for words that meet X times; a word's vector is w + w̃."""

    def prepare(self, batch_words: int, progress: Callable[[str, float], None]) -> None:
        corpus = self.corpus
        entries = count_pairs(
            ((ids, bounds) for ids, bounds, _ in corpus.blocks(BLOCK_WORDS)),
            self.cache,
            make_table(self.settings.memory),
            window=min(self.settings.reach, LONGEST),  # no sentence is longer
            merge_pairs=MERGE_PAIRS,
            block_entries=16 * batch_words,
            progress=lambda words: progress("counting pairs", words / max(1, corpus.total)),
        )
        progress(f"train: {entries:,} pairs of words that meet", 1.0)

    def build(self) -> nn.Module:
        size, words = self.settings.dimensions, len(self.words)
        matrices = ("input", "output")
        fresh = {name: torch.empty((words, size) if name in matrices else (words,)) for name in GLOVE_TENSORS}
        for name, tensor in fresh.items():
            if name.endswith("squares"):
                tensor.fill_(1.0)  # AdaGrad's first step is the rate times the gradient
            else:
                tensor.uniform_(-0.5 / size, 0.5 / size)
        return _module(**fresh)

    def plan(self, batch_words: int, seed: int, epoch: int) -> Sequence[Step]:
        sizes = block_sizes(self.cache)
        order = np.random.default_rng((seed, epoch)).permutation(len(sizes))

        def make(index: int) -> Step:
            block = int(order[index])
            return Step(read_block(self.cache, block, (seed, epoch)), int(sizes[block]))

        return _Lazy(len(sizes), make)

    def learn(
        self, model: nn.Module, content: glove.Entries, *, rate: float, seed: int, threads: int
    ) -> float:
        share = np.minimum(1.0, content.counts / np.float32(self.settings.maximum_count))
        weights = share ** np.float32(self.settings.weight_power)
        given = (_arrays(model), content.rows, content.columns, np.log(content.counts), weights, rate)
        if kernels.load() is None:
            total = glove.train_entries(*given)
        else:
            total = train_glove(*given, threads=threads)
        return total / max(1, len(content.counts))

    def vectors(self, model: nn.Module) -> Float32[np.ndarray, "words size"]:
        arrays = _arrays(model)
        return arrays["input"] + arrays["output"]


METHODS: dict[str, type[Method]] = {"skip-gram": WindowMethod, "cbow": WindowMethod, "glove": GloveMethod}
"""By the name a recipe calls them."""


class _Lazy(Sequence[Step]):
    def __init__(self, length: int, make: Callable[[int], Step]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Step:  # type: ignore[override]
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self._make(index)


def _module(**tensors: torch.Tensor) -> nn.Module:
    made = nn.Module()
    for name, tensor in tensors.items():
        made.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
    return made


def _arrays(model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """The model's tensors as arrays on the same memory."""
    return {name: parameter.numpy() for name, parameter in model.named_parameters()}
