"""Reading to judge: word vectors, then recurrent layers in one direction or both."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.models.make import make_embedding, make_layers
from unrolled.models.reader_settings import ReaderSettings


class Reader(nn.Module):
    """Ids to a state at every position.

    Args:
        vocabulary: words there are.
        beside: features that come with each word beside its own vector.

    Attributes:
        features: of a state, both directions together.
    """

    def __init__(
        self, settings: ReaderSettings, vocabulary: int, *, beside: int = 0, padding: int = 0
    ) -> None:
        super().__init__()
        self.embedding = make_embedding(settings, vocabulary, padding=padding)
        size = settings.embedding_size + beside
        self.layers = make_layers(settings, size, bidirectional=settings.bidirectional)
        self.features = self.layers.output_size

    def forward(
        self,
        ids: Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
        beside: Float[Tensor, "time batch beside"] | None = None,
    ) -> Float[Tensor, "time batch features"]:
        """The states, zero past each length."""
        words = self.embedding(ids)
        if beside is not None:
            words = torch.cat((words, beside), dim=-1)
        return self.layers(words, lengths=lengths).output
