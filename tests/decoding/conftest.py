"""A decoder whose every probability is written in a table, and the search that looks at everything."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

PAD, UNK, BOS, EOS = 0, 1, 2, 3


@dataclass(frozen=True)
class TableState:
    sentence: Tensor
    before: Tensor
    """The token before the last one."""

    @property
    def rows(self) -> int:
        return len(self.sentence)


class TableDecoder:
    """log P(next | sentence, last two tokens), read from ``table[sentence, last but one, last, next]``.

    A source is a tensor of sentence numbers.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.rows_stepped = 0

    @classmethod
    def random(cls, seed: int, sentences: int = 4, vocabulary: int = 7, spread: float = 1.5) -> TableDecoder:
        generator = torch.Generator().manual_seed(seed)
        shape = (sentences, vocabulary, vocabulary, vocabulary)
        scores = torch.randn(shape, generator=generator, dtype=torch.float64) * spread
        return cls(scores.log_softmax(dim=-1))

    def start(self, source: Tensor) -> TableState:
        source = torch.as_tensor(source)
        return TableState(source, torch.full_like(source, BOS))

    def step(self, state: TableState, tokens: Tensor) -> tuple[TableState, Tensor]:
        self.rows_stepped += len(tokens)
        log_probs = self.table[state.sentence, state.before, tokens]
        return TableState(state.sentence, tokens.clone()), log_probs

    def select(self, state: TableState, rows: Tensor) -> TableState:
        return TableState(state.sentence[rows], state.before[rows])

    def everything(
        self, sentence: int, max_length: int, banned: tuple[int, ...] = (), min_length: int = 0
    ) -> Iterator[tuple[tuple[int, ...], float]]:
        """Every output there is, without its eos, with Σ log P."""
        words = [word for word in range(self.table.shape[-1]) if word != EOS and word not in banned]
        table = self.table[sentence]
        for length in range(max(min_length - 1, 0), max_length):
            for output in itertools.product(words, repeat=length):
                path = (BOS, BOS, *output, EOS)
                total = sum(float(table[a, b, c]) for a, b, c in zip(path, path[1:], path[2:], strict=False))
                yield output, total


class TopTableDecoder(TableDecoder):
    """The same, offering the fused step."""

    def step_top(self, state: TableState, tokens: Tensor, k: int) -> tuple[TableState, Tensor, Tensor]:
        state, log_probs = super().step(state, tokens)
        values, ids = log_probs.sort(dim=-1, descending=True, stable=True)
        return state, values[:, :k], ids[:, :k]


@pytest.fixture
def tables() -> type[TableDecoder]:
    return TableDecoder


@pytest.fixture
def top_tables() -> type[TopTableDecoder]:
    return TopTableDecoder
