"""Ids to vectors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.nn.dropout import check_share, dropout


class Embedding(nn.Module):
    """A table with a row for each id; padding is always the zero vector, also where the table is tied.

    Rows start normal.

    Args:
        size: ids there are.
        padding: the id of padding, or None.
        dropout: share of a vector's features that are zero at each training step.
        word_dropout: share of positions whose whole vector is zero at each training step (Iyyer et al. 2015).
        tuned: whether training changes the table.
        scale: standard deviation of fresh rows; 1/√``features`` unless given: vectors about 1 long.

    Raises:
        UserError: a share out of range.
    """

    def __init__(
        self,
        size: int,
        features: int,
        *,
        padding: int | None = 0,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        tuned: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.features = features
        self.padding = padding
        self.dropout = check_share("dropout", dropout)
        self.word_dropout = check_share("word_dropout", word_dropout)
        self.row_gradients = False
        """Whether the table's gradient is sparse: the rows touched. Not every optimizer takes one."""
        rows = torch.empty(size, features).normal_(std=1 / math.sqrt(features) if scale is None else scale)
        self.weight = nn.Parameter(rows, requires_grad=tuned)
        self._clear_padding()

    @torch.no_grad()
    def _clear_padding(self) -> None:
        if self.padding is not None:
            self.weight[self.padding] = 0

    def forward(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape features"]:
        vectors = F.embedding(ids, self.weight, sparse=self.row_gradients)
        gone = None if self.padding is None else ids == self.padding
        if self.training and self.word_dropout:
            dropped = torch.rand(ids.shape, device=ids.device) < self.word_dropout
            gone = dropped if gone is None else gone | dropped
        if gone is not None:
            vectors = vectors.masked_fill(gone[..., None], 0)
        return dropout(vectors, self.dropout, self.training)

    @torch.no_grad()
    def load_rows(self, ids: Int[Tensor, " n"], vectors: Float[Tensor, "n features"]) -> None:
        """Take ``vectors`` for the rows ``ids``; the others stay as they are, and padding stays zero.

        Raises:
            UserError: the vectors have another size than the table's.
        """
        if vectors.shape[-1] != self.features:
            raise UserError(
                f"vectors of size {vectors.shape[-1]} do not fit a table of size {self.features}:"
                f" set the embedding size to {vectors.shape[-1]}"
            )
        self.weight[ids] = vectors.to(self.weight)
        self._clear_padding()

    def extra_repr(self) -> str:
        return f"{self.size}, {self.features}"


def tie(*users: nn.Module) -> None:
    """Let several modules share the first one's ``weight`` (Press & Wolf 2017).

    Raises:
        UserError: their weights differ in shape.
    """
    weight = users[0].get_parameter("weight")
    for other in users[1:]:
        shape = other.get_parameter("weight").shape
        if shape != weight.shape:
            raise UserError(
                f"weights of shapes {tuple(weight.shape)} and {tuple(shape)} cannot be tied:"
                " they must have one vocabulary and one size"
            )
        other.weight = weight
