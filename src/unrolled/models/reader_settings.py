"""What a recipe's ``[model]`` section says about models that read and judge: classifiers, taggers."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from unrolled.models.settings import TableSettings, check_cell
from unrolled.nn.characters import CharacterKind
from unrolled.nn.pooling import PoolingKind


class ReaderSettings(TableSettings):
    """A recurrent network that reads a sequence of words."""

    cell: str = Field("lstm", description="the recurrence: rnn, gru, lstm, or a registered cell of your own")
    cell_options: dict[str, Any] = Field(
        default_factory=dict,
        description='the cell\'s own options, such as { reset = "after" } or { peepholes = "current" }',
    )
    hidden_size: int = Field(128, ge=1, description="features of the state, in each direction")
    layers: int = Field(1, ge=1, description="cells upon one another")
    bidirectional: bool = Field(True, description="read in both directions")
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="share of a word vector's features dropped")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of words whose whole vector is dropped")
    input_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped of every layer's input, the same features at all steps"
    )
    layer_dropout: float = Field(0.0, ge=0, lt=1, description="share dropped between layers")
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the state dropped, the same at all steps (variational dropout)"
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="share of the recurrent matrices' entries dropped"
    )
    readout_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped of what the labels are read from"
    )

    @model_validator(mode="after")
    def _cell_fits(self) -> Self:
        check_cell(
            self.cell,
            self.cell_options,
            mask=self.recurrent_dropout > 0,
            weight_drop=self.weight_drop > 0,
        )
        return self


class ClassifierSettings(ReaderSettings):
    """A reader whose states are pooled to one vector a text."""

    pooling: PoolingKind = Field(
        "max",
        description="from states to one vector: last, the last state of each direction; mean; max, of each"
        " feature; attention, a learnt weighted mean",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="probability taken from the right label and given to all, in training"
    )


class TaggerSettings(ReaderSettings):
    """A reader that tags every word it reads."""

    characters: Literal[CharacterKind, "none"] = Field(
        "convolution",
        description="a word's characters, beside its own vector: recurrent (both directions), convolution, or"
        " none",
    )
    character_embedding_size: int = Field(25, ge=1, description="features of a character's vector")
    character_size: int = Field(
        50, ge=2, multiple_of=2, description="features that a word has from its characters"
    )
    character_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of a character vector's features dropped"
    )
    output: Literal["crf", "softmax"] = Field(
        "crf",
        description="crf: the whole sequence of tags at once; softmax: each tag by itself. Tags that may not"
        " follow one another never do",
    )
