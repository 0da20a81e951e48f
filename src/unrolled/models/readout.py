"""From a decoder's state to the words of a vocabulary."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.nn.adaptive import Projection
from unrolled.nn.dropout import Dropout


class Readout(nn.Module):
    """What is projected on the vocabulary, and the projection.

    Args:
        output_size: features of the decoder's output, such as [s⟨t⟩, context⟨t⟩].
        word_size: features of the previous word's vector y⟨t−1⟩ where the readout sees it, else 0.
        vocabulary: words there are.
        size: features of the readout tanh(W[output, y⟨t−1⟩] + b); None: the output is projected as it is.
        dropout: share of the readout dropped at each training step.
    """

    def __init__(
        self, output_size: int, word_size: int, vocabulary: int, size: int | None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.combine = None if size is None else nn.Linear(output_size + word_size, size)
        self.sees_word = word_size > 0
        self.dropout = Dropout(dropout)
        self.projection = Projection(output_size if size is None else size, vocabulary)

    def forward(
        self, output: Float[Tensor, "*shape output"], words: Float[Tensor, "*shape word"]
    ) -> Float[Tensor, "*shape readout"]:
        """The features to be projected."""
        if self.combine is not None:
            seen = torch.cat((output, words), dim=-1) if self.sees_word else output
            output = torch.tanh(self.combine(seen))
        return self.dropout(output)
