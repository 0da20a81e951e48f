"""A word's vector from the characters that spell it."""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError, nearest
from unrolled.nn.embedding import Embedding
from unrolled.nn.layers import Recurrent
from unrolled.nn.pooling import Pooling

CharacterKind = Literal["recurrent", "convolution"]


class CharacterEmbedding(nn.Module):
    """Characters, read in both directions or through windows, to one vector a word.

    Args:
        kind: ``"recurrent"``, the last states of both directions (Lample et al. 2016, section 4.1), each of
            half the features; ``"convolution"``, the greatest value of each feature over all windows of
            ``width`` characters (Ma & Hovy 2016, section 2.1).
        size: characters there are.
        character_features: of a character's vector.
        features: of a word's; even where both directions have half of them.
        dropout: share of a character vector's features dropped at each training step.

    Raises:
        UserError: an unknown kind; ``"recurrent"`` with an odd number of features.
    """

    def __init__(
        self,
        kind: CharacterKind,
        size: int,
        character_features: int,
        features: int,
        *,
        cell: str = "lstm",
        width: int = 3,
        dropout: float = 0.0,
        padding: int = 0,
    ) -> None:
        super().__init__()
        if kind not in get_args(CharacterKind):
            raise UserError(f"characters {kind!r} are not known: {nearest(kind, get_args(CharacterKind))}")
        if kind == "recurrent" and features % 2:
            raise UserError(f"features={features}: each direction has half of them: make it even")
        self.embedding = Embedding(size, character_features, padding=padding, dropout=dropout)
        self.features = features
        self.layers: Recurrent | None = None
        if kind == "recurrent":
            self.layers = Recurrent(cell, character_features, features // 2, bidirectional=True)
            self.pooling = Pooling("last", features, directions=2)
        else:
            self.windows = nn.Conv1d(character_features, features, width, padding=width // 2)
            self.pooling = Pooling("max", features)

    def forward(
        self, characters: Int[Tensor, "characters words"], lengths: Int[Tensor, " words"]
    ) -> Float[Tensor, "words features"]:
        """``lengths``: the characters of each word; a word without any gives zeros."""
        if not len(characters):
            return self.embedding.weight.new_zeros(len(lengths), self.features)
        spelled = self.embedding(characters)
        if self.layers is not None:
            return self.pooling(self.layers(spelled, lengths=lengths).output, lengths)
        # Padding is the zero vector, within the table as beyond the word's edges.
        return self.pooling(self.windows(spelled.permute(1, 2, 0)).permute(2, 0, 1), lengths)
