"""A sequence in, a tag for each of its words out (many to many, of equal length)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.models.reader import Sentences, Speller
from unrolled.models.reader_settings import TaggerSettings
from unrolled.nn.crf import CRF, Allowed, Chain, viterbi
from unrolled.nn.dropout import Dropout


class Tagger(Speller):
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
        super().__init__(settings, vocabulary, characters, padding=padding)
        self.dropout = Dropout(settings.readout_dropout)
        self.readout = nn.Linear(self.reader.features, tags)
        self.crf = CRF(tags, allowed)
        self.independent = settings.output == "softmax"
        if self.independent:
            # Each tag by itself: the chain scores nothing, and only says what may follow what.
            self.crf.requires_grad_(False)

    def forward(self, sentences: Sentences) -> Float[Tensor, "time batch tags"]:
        """The emissions."""
        return self.readout(self.dropout(self.states(sentences)))

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
        real = torch.arange(len(tags), device=tags.device)[:, None] < lengths
        each = emissions.log_softmax(dim=-1).gather(2, tags.where(real, 0)[..., None]).squeeze(2)
        return each.where(real, 0)


@torch.no_grad()
def tag(taggers: Sequence[Tagger], sentences: Sentences) -> Int[Tensor, "time batch"]:
    """The best allowed tags, 0 past each length; of several taggers by the mean of their scores."""
    emissions = torch.stack([tagger(sentences) for tagger in taggers]).mean(0)
    chains = [tagger.crf.chain() for tagger in taggers]
    chain = Chain(*(torch.stack(parts).mean(0) for parts in zip(*chains, strict=True)))
    return viterbi(emissions, chain, sentences.lengths)[0]
