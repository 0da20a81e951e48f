"""Small models over a dozen words, in double precision."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from unrolled.models import EncoderDecoder, EncoderDecoderSettings

PAD, BOS, EOS, WORDS = 0, 2, 3, 12


class Pairs(NamedTuple):
    source: Tensor
    lengths: Tensor
    target: Tensor

    def column(self, index: int) -> Pairs:
        """One pair by itself, without padding."""
        length = int(self.lengths[index])
        steps = int((self.target[:, index] != PAD).sum())
        pick = slice(index, index + 1)
        return Pairs(self.source[:length, pick], self.lengths[pick], self.target[:steps, pick])


def _pairs(seed: int = 0) -> Pairs:
    """Three ragged pairs; the target stands between bos and eos."""
    random = torch.Generator().manual_seed(seed)
    lengths, target_lengths = torch.tensor([6, 2, 4]), [3, 5, 1]
    source = torch.full((6, 3), PAD)
    target = torch.full((7, 3), PAD)
    for column, (length, steps) in enumerate(zip(lengths.tolist(), target_lengths, strict=True)):
        source[:length, column] = torch.randint(4, WORDS, (length,), generator=random)
        target[0, column] = BOS
        target[1 : steps + 1, column] = torch.randint(4, WORDS, (steps,), generator=random)
        target[steps + 1, column] = EOS
    return Pairs(source, lengths, target)


def _model(seed: int = 0, **options) -> EncoderDecoder:
    torch.manual_seed(seed)
    settings = EncoderDecoderSettings(**{"embedding_size": 6, "hidden_size": 8, **options})
    return EncoderDecoder(settings, WORDS, WORDS).double().eval()


@pytest.fixture
def make_pairs():
    """``make_pairs(seed) -> Pairs``."""
    return _pairs


@pytest.fixture
def make_model():
    """``make_model(seed, **settings) -> EncoderDecoder``, in double precision, not training."""
    return _model


@pytest.fixture
def pairs() -> Pairs:
    return _pairs()
