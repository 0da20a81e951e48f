"""Attention: where to look, α = softmax(e) over the source's real positions; what is seen, Σ α a⟨t'⟩.

``s`` is the query (a decoder's state), ``a⟨t'⟩`` the source's features at position t' (an encoder's outputs,
a picture's regions). The part of e that does not depend on s, the *keys*, is computed once a sentence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError, nearest
from unrolled.nn import additive


@dataclass(frozen=True)
class AttentionMemory:
    """What attention reads, constant over time and kept once a sentence.

    Attributes:
        keys: ``(batch, source, attention)``: the features as the energies need them.
        values: ``(batch, source, features)``: the features themselves.
        lengths: ``(batch,)``: real positions of each sentence.
        seats: which sentence each query row belongs to, when rows are not sentences (beam search).
    """

    keys: Float[Tensor, "batch source attention"]
    values: Float[Tensor, "batch source features"]
    lengths: Int[Tensor, " batch"]
    seats: Seats | None = None

    @cached_property
    def mask(self) -> Bool[Tensor, "batch source"]:
        """Where there is a real position."""
        return torch.arange(self.values.shape[1], device=self.lengths.device) < self.lengths[:, None]

    def select(self, rows: Int[Tensor, " n"]) -> AttentionMemory:
        """The memory for some query rows, possibly repeated. Rows carry their sentence's number; keys and
        values are shared, and only when half of the sentences are no longer asked for are the others moved
        together."""
        sentences = rows if self.seats is None else self.seats.sentence[rows]
        asked = torch.bincount(sentences, minlength=len(self.lengths)) > 0
        left = int(asked.sum())
        if 2 * left > len(self.lengths):
            return replace(self, seats=Seats(sentences, len(asked)))
        kept = asked.nonzero().squeeze(1)
        seats = Seats((asked.cumsum(0) - 1)[sentences], left)
        return AttentionMemory(self.keys[kept], self.values[kept], self.lengths[kept], seats)


@dataclass(frozen=True)
class Seats:
    """Query rows as a rectangle ``(batch, width)``, a line for each sentence, so that all rows of a sentence
    meet its memory in one product. The rectangle is laid out when asked for: a native step has no need of it.

    Attributes:
        sentence: ``(rows,)``: whose row it is.
        batch: how many sentences there are.
    """

    sentence: Int[Tensor, " rows"]
    batch: int

    @cached_property
    def _counts(self) -> Int[Tensor, " batch"]:
        return torch.bincount(self.sentence, minlength=self.batch)

    @cached_property
    def width(self) -> int:
        """Most rows of one sentence."""
        return int(self._counts.max()) if self.batch else 0

    @cached_property
    def place(self) -> Int[Tensor, " rows"]:
        """Each row's place in the flattened rectangle."""
        sentence, before = self.sentence, self._counts.cumsum(0) - self._counts
        order = sentence.argsort(stable=True)
        within = torch.empty_like(sentence)
        within[order] = torch.arange(len(sentence), device=sentence.device) - before[sentence[order]]
        return sentence * self.width + within


def masked_softmax(
    energies: Float[Tensor, "batch queries source"], mask: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch queries source"]:
    """Softmax over the real positions alone; exactly 0 elsewhere, and everywhere if there is no real one."""
    real = mask[:, None, :]
    # The least finite number, not −∞, because a row without a real position must not become 0/0.
    lowest = torch.finfo(energies.dtype).min
    return torch.softmax(energies.masked_fill(~real, lowest), dim=-1).masked_fill(~real, 0)


class Attention(nn.Module):
    """A way to score positions; :meth:`forward` attends from one query a row, :meth:`all_steps` from many.

    Args:
        query_size: features of s.
        feature_size: features of a⟨t'⟩.
        size: features of the keys, where the score leaves a choice.
    """

    score: ClassVar[str]

    def __init__(self, query_size: int, feature_size: int, size: int | None = None) -> None:
        super().__init__()
        self.query_size = query_size
        self.feature_size = feature_size
        self.size = query_size if size is None else size

    def keys(
        self, features: Float[Tensor, "batch source features"]
    ) -> Float[Tensor, "batch source attention"]:
        """The part of the energies that does not depend on the query."""
        raise NotImplementedError

    def energies(
        self,
        queries: Float[Tensor, "batch queries query"],
        keys: Float[Tensor, "batch source attention"],
    ) -> Float[Tensor, "batch queries source"]:
        """e⟨t,t'⟩, the score of every position for every query."""
        raise NotImplementedError

    def remember(
        self, features: Float[Tensor, "source batch features"], lengths: Int[Tensor, " batch"]
    ) -> AttentionMemory:
        """The memory of a batch of sources, time first as an encoder gives them: once a sentence.

        Zero past each length: nothing times what stands there must be nothing, were it NaN.
        """
        values = features.transpose(0, 1).clone(memory_format=torch.contiguous_format)
        if len(lengths) and int(lengths.min()) < len(features):
            real = torch.arange(len(features), device=lengths.device) < lengths[:, None]
            values.masked_fill_(~real[..., None], 0)
        return AttentionMemory(self.keys(values), values, lengths)

    def forward(
        self, query: Float[Tensor, "rows query"], memory: AttentionMemory
    ) -> tuple[Float[Tensor, "rows features"], Float[Tensor, "rows source"]]:
        """The context of each row, and its weights α."""
        seats = memory.seats
        if seats is None:
            context, weights = self._attend(query[:, None], memory)
            return context.squeeze(1), weights.squeeze(1)
        batch = len(memory.lengths)
        seated = query.new_zeros(batch * seats.width, query.shape[-1]).index_copy(0, seats.place, query)
        context, weights = self._attend(seated.unflatten(0, (batch, seats.width)), memory)
        return context.flatten(0, 1)[seats.place], weights.flatten(0, 1)[seats.place]

    def all_steps(
        self, queries: Float[Tensor, "time batch query"], memory: AttentionMemory
    ) -> tuple[Float[Tensor, "time batch features"], Float[Tensor, "time batch source"]]:
        """The contexts and weights of all time steps at once, where no step waits for the one before."""
        context, weights = self._attend(queries.transpose(0, 1), memory)
        return context.transpose(0, 1), weights.transpose(0, 1)

    def _attend(
        self, queries: Float[Tensor, "batch queries query"], memory: AttentionMemory
    ) -> tuple[Float[Tensor, "batch queries features"], Float[Tensor, "batch queries source"]]:
        weights = masked_softmax(self.energies(queries, memory.keys), memory.mask)  # α = softmax(e)
        return weights @ memory.values, weights  # Σ α⟨t,t'⟩ a⟨t'⟩


class AdditiveAttention(Attention):
    """e⟨t,t'⟩ = vᵀ tanh(W s + U a⟨t'⟩) (Bahdanau, Cho & Bengio 2014, appendix A.1.2).

    ``query_weight`` W ``(size, query)``, ``key_weight`` U ``(size, features)``, ``energy_weight`` vᵀ
    ``(1, size)``.
    """

    score = "additive"

    def __init__(self, query_size: int, feature_size: int, size: int | None = None) -> None:
        super().__init__(query_size, feature_size, size)
        self.query_weight = _weight(self.size, query_size)
        self.key_weight = _weight(self.size, feature_size)
        self.energy_weight = _weight(1, self.size)

    def keys(
        self, features: Float[Tensor, "batch source features"]
    ) -> Float[Tensor, "batch source attention"]:
        return F.linear(features, self.key_weight)

    def energies(
        self,
        queries: Float[Tensor, "batch queries query"],
        keys: Float[Tensor, "batch source attention"],
    ) -> Float[Tensor, "batch queries source"]:
        asked = F.linear(queries, self.query_weight)
        return additive.energies(asked, keys, self.energy_weight)  # vᵀ tanh(W s + U a)


class GeneralAttention(Attention):
    """e⟨t,t'⟩ = sᵀ W a⟨t'⟩ (Luong, Pham & Manning 2015, equation 8, "general"); ``key_weight`` is W."""

    score = "general"

    def __init__(self, query_size: int, feature_size: int, size: int | None = None) -> None:
        if size not in (None, query_size):
            raise UserError(
                f"attention_size={size}: with the general score it is the hidden size, {query_size}"
            )
        super().__init__(query_size, feature_size)
        self.key_weight = _weight(query_size, feature_size)

    def keys(
        self, features: Float[Tensor, "batch source features"]
    ) -> Float[Tensor, "batch source attention"]:
        return F.linear(features, self.key_weight)

    def energies(
        self,
        queries: Float[Tensor, "batch queries query"],
        keys: Float[Tensor, "batch source attention"],
    ) -> Float[Tensor, "batch queries source"]:
        return queries @ keys.transpose(1, 2)  # sᵀ (W a)


class DotAttention(Attention):
    """e⟨t,t'⟩ = sᵀ a⟨t'⟩ (Luong, Pham & Manning 2015, equation 8, "dot"); s and a have the same size."""

    score = "dot"

    def __init__(self, query_size: int, feature_size: int, size: int | None = None) -> None:
        if feature_size != query_size or size not in (None, query_size):
            raise UserError(
                f"score='dot': the decoder's hidden size ({query_size}) must be that of what it attends to"
                f" ({feature_size}; twice the encoder's hidden size if that is bidirectional),"
                " and attention_size the same; choose score='general' where they differ"
            )
        super().__init__(query_size, feature_size)

    def keys(
        self, features: Float[Tensor, "batch source features"]
    ) -> Float[Tensor, "batch source attention"]:
        return features

    def energies(
        self,
        queries: Float[Tensor, "batch queries query"],
        keys: Float[Tensor, "batch source attention"],
    ) -> Float[Tensor, "batch queries source"]:
        return queries @ keys.transpose(1, 2)  # sᵀ a


SCORES: dict[str, type[Attention]] = {
    kind.score: kind for kind in (AdditiveAttention, GeneralAttention, DotAttention)
}


def make_attention(score: str, query_size: int, feature_size: int, size: int | None = None) -> Attention:
    """The attention called ``score``: additive, general or dot.

    Raises:
        UserError: an unknown score, or sizes it cannot have.
    """
    if score not in SCORES:
        raise UserError(f"score={score!r}: {nearest(score, SCORES)}")
    return SCORES[score](query_size, feature_size, size)


def _weight(rows: int, columns: int) -> nn.Parameter:
    """Uniform in ±1/√columns, as ``torch.nn.Linear``."""
    bound = 1 / math.sqrt(columns)
    return nn.Parameter(torch.empty(rows, columns).uniform_(-bound, bound))
