"""What a recipe's ``[model]`` section says about models that read and judge: classifiers, taggers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unrolled.models.settings import ConsistencySettings, LayersSettings
from unrolled.nn.characters import CharacterKind
from unrolled.nn.pooling import PoolingKind


class ReaderSettings(LayersSettings):
    """A recurrent network that reads a sequence of words."""

    bidirectional: bool = Field(True, description="read in both directions")
    readout_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped of what the labels are read from"
    )
    characters: Literal[CharacterKind, "none"] = Field(
        "none",
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


class ClassifierSettings(ReaderSettings, ConsistencySettings):
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
        "convolution", description=ReaderSettings.model_fields["characters"].description
    )
    output: Literal["crf", "softmax"] = Field(
        "crf",
        description="crf: the whole sequence of tags at once; softmax: each tag by itself. Tags that may not"
        " follow one another never do",
    )
