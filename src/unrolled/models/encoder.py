"""Reading: ids to states that a decoder can start from and attend to."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.models.settings import EncoderDecoderSettings
from unrolled.nn.attentive import state_sizes
from unrolled.nn.cells import Cell
from unrolled.nn.dropout import Dropout
from unrolled.nn.embedding import Embedding
from unrolled.nn.layers import Recurrent


class Encoded(NamedTuple):
    """What a decoder knows of its source, whatever that was: words, or regions of a picture.

    Attributes:
        output: ``(source, batch, features)``, what attention sees; zero past each length.
        state: ``(layers, batch, state)``, the last state of each layer, all directions and quantities (an
            LSTM's h and c) side by side; None where nothing was read in order.
        lengths: ``(batch,)``, real positions.
    """

    output: Float[Tensor, "source batch features"]
    state: Float[Tensor, "layers batch state"] | None
    lengths: Int[Tensor, " batch"]


class Encoder(nn.Module):
    """Embedding, then recurrent layers in one direction or both.

    Attributes:
        feature_size: features of :attr:`Encoded.output`.
        state_size: features of :attr:`Encoded.state`.
    """

    def __init__(self, settings: EncoderDecoderSettings, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = Recurrent(
            settings.cell,
            embedding.features,
            settings.direction_size,
            settings.encoder_layers,
            dropout=settings.layer_dropout,
            bidirectional=settings.bidirectional,
            recurrent_dropout=settings.recurrent_dropout,
            **settings.cell_options,
        )
        self.dropout = Dropout(settings.context_dropout)
        self.feature_size = self.layers.output_size
        self.state_size = self.layers.directions * sum(state_sizes(cast("Cell", self.layers.cells[0])))

    def forward(self, ids: Int[Tensor, "source batch"], lengths: Int[Tensor, " batch"]) -> Encoded:
        output, state = self.layers(self.embedding(ids), lengths=lengths)
        parts = (state,) if isinstance(state, Tensor) else state
        last = torch.cat([part.unflatten(0, (-1, self.layers.directions)) for part in parts], dim=-1)
        return Encoded(self.dropout(output), last.transpose(1, 2).flatten(2), lengths)
