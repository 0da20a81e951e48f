"""What a recipe's ``[model]`` section says about a language model."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from unrolled.models.settings import LayersSettings


class LanguageModelSettings(LayersSettings):
    """A recurrent network that reads a text token by token and predicts the next."""

    bidirectional: bool = Field(False, description="refused: a language model must not see what it predicts")
    tie: bool = Field(
        True,
        description="one table for the words read and their projection; where the layers' size is not"
        " embedding_size, a matrix stands between",
    )
    cutoffs: tuple[int, ...] = Field(
        (),
        description="adaptive softmax for a large vocabulary: the first ids of its clusters of rarer words,"
        " rising, such as [4000, 20000]; rarer words have narrower vectors where nothing is tied. Empty: one"
        " softmax over all",
    )
    gradient_floor: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="probabilities below it count as zero in the gradients, such as 1e-6: faster where the"
        " vocabulary is large; 0: exact",
    )
    reset: bool = Field(
        False, description="zero the state where another document (of a stream: another line) begins"
    )
    readout_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share dropped of what is projected on the vocabulary, the same at all steps",
    )
    activation_penalty: float = Field(
        0.0, ge=0, description="α: α·mean(a²) of what is projected, after its dropout, is added to the loss"
    )
    temporal_penalty: float = Field(
        0.0, ge=0, description="β: β·mean((a⟨t+1⟩ − a⟨t⟩)²) of the last layer's output is added to the loss"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.bidirectional:
            raise ValueError(
                "bidirectional: a language model predicts each token from those before it; a layer that reads"
                " backwards has seen the answer. Set it to false"
            )
        if any(low >= high for low, high in pairwise((0, *self.cutoffs))):
            raise ValueError(f"cutoffs: {list(self.cutoffs)} should be numbers above 0 that rise")
        if self.tie and not self.tuned:
            raise ValueError("frozen_embeddings: words tied to their projection are tuned with it")
        return self
