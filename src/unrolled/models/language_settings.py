"""What a recipe's ``[model]`` section says about a language model."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from unrolled.models.settings import TableSettings, check_cell


class LanguageModelSettings(TableSettings):
    """A recurrent network that reads a text token by token and predicts the next."""

    cell: str = Field("lstm", description="the recurrence: rnn, gru, lstm, or a registered cell of your own")
    cell_options: dict[str, Any] = Field(
        default_factory=dict,
        description='the cell\'s own options, such as { reset = "after" } or { peepholes = "current" }',
    )
    hidden_size: int = Field(256, ge=1, description="features of each layer's state")
    layers: int = Field(1, ge=1, description="cells upon one another")
    bidirectional: bool = Field(False, description="refused: a language model must not see what it predicts")
    tie: bool = Field(
        True,
        description="one table for the words read and their projection; where the layers' size is not"
        " embedding_size, a matrix stands between",
    )
    reset: bool = Field(
        False, description="zero the state where another document (of a stream: another line) begins"
    )
    layer_norm: bool = Field(False, description="layer normalisation between layers")
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="share of a word vector's features dropped")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of words whose whole vector is dropped")
    input_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share dropped of every layer's input, the same features at all steps (variational)",
    )
    layer_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped between layers, anew at each step"
    )
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the state dropped, the same at all steps (variational)"
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="share of the recurrent matrices' entries dropped"
    )
    readout_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share dropped of what is projected on the vocabulary, the same at all steps",
    )
    activation_penalty: float = Field(
        0.0, ge=0, description="α: α·mean(a²) of the last layer's dropped output is added to the loss"
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
        if self.tie and not self.tuned:
            raise ValueError("frozen_embeddings: words tied to their projection are tuned with it")
        check_cell(
            self.cell,
            self.cell_options,
            mask=self.recurrent_dropout > 0,
            weight_drop=self.weight_drop > 0,
        )
        return self
