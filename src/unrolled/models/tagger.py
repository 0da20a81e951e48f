"""A sequence in, a tag for each of its words out (many to many, of equal length)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.models.reader import Reader
from unrolled.models.reader_settings import TaggerSettings
from unrolled.nn.characters import CharacterEmbedding
from unrolled.nn.crf import CRF, Allowed, Chain, viterbi


class Sentences(NamedTuple):
    """A batch of sentences; what is true of a word wherever it stands is there once.

    Attributes:
        forms: ``(time, batch)``: which of the distinct words below stands there.
        lengths: ``(batch,)``, at least 1.
        words: ``(forms,)``: the id of each distinct word; form 0 is padding.
        characters: ``(characters, forms)``: the ids of its characters.
        character_lengths: ``(forms,)``.
    """

    forms: Int[Tensor, "time batch"]
    lengths: Int[Tensor, " batch"]
    words: Int[Tensor, " forms"]
    characters: Int[Tensor, "characters forms"]
    character_lengths: Int[Tensor, " forms"]


class Tagger(nn.Module):
    """A reader of words and of the characters in them, and a chain of tags (Lample et al. 2016).

    Args:
        vocabulary, characters: how many there are.
        tags: likewise.
        allowed: which tag may follow which; the rest is never decoded.
    """

    def __init__(
        self,
        settings: TaggerSettings,
        vocabulary: int,
        characters: int,
        tags: int,
        allowed: Allowed | None = None,
        *,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.spelling: CharacterEmbedding | None = None
        if settings.characters != "none":
            self.spelling = CharacterEmbedding(
                settings.characters,
                characters,
                settings.character_embedding_size,
                settings.character_size,
                dropout=settings.character_dropout,
                padding=padding,
            )
        beside = 0 if self.spelling is None else self.spelling.features
        self.reader = Reader(settings, vocabulary, beside=beside, padding=padding)
        self.dropout = nn.Dropout(settings.readout_dropout)
        self.readout = nn.Linear(self.reader.features, tags)
        self.crf = CRF(tags, allowed)
        self.independent = settings.output == "softmax"
        if self.independent:
            # Each tag by itself: the chain scores nothing, and only says what may follow what.
            self.crf.requires_grad_(False)

    def forward(self, sentences: Sentences) -> Float[Tensor, "time batch tags"]:
        """The emissions."""
        beside = None
        if self.spelling is not None:
            spelled = self.spelling(sentences.characters, sentences.character_lengths)
            beside = F.dropout(spelled, self.reader.embedding.dropout, self.training)[sentences.forms]
        states = self.reader(sentences.words[sentences.forms], sentences.lengths, beside)
        return self.readout(self.dropout(states))

    def log_probs(
        self,
        emissions: Float[Tensor, "time batch tags"],
        tags: Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """log P of each sentence's tags, in nats."""
        if not self.independent:
            return self.crf.log_probs(emissions, tags, lengths)
        return self.step_log_probs(emissions, tags, lengths).sum(0)

    def step_log_probs(
        self,
        emissions: Float[Tensor, "time batch tags"],
        tags: Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "time batch"]:
        """log P of each tag, of a chain given the tags before it; 0 past each length."""
        if not self.independent:
            return self.crf.step_log_probs(emissions, tags, lengths)
        each = emissions.log_softmax(dim=-1).gather(2, tags[..., None]).squeeze(2)
        real = torch.arange(len(tags), device=tags.device)[:, None] < lengths
        return each.where(real, 0)


@torch.no_grad()
def tag(taggers: Sequence[Tagger], sentences: Sentences) -> Int[Tensor, "time batch"]:
    """The best allowed tags, 0 past each length; of several taggers by the mean of their scores."""
    emissions = torch.stack([tagger(sentences) for tagger in taggers]).mean(0)
    chains = [tagger.crf.chain() for tagger in taggers]
    chain = Chain(*(torch.stack(parts).mean(0) for parts in zip(*chains, strict=True)))
    return viterbi(emissions, chain, sentences.lengths)[0]
