"""What a recipe's ``[model]`` section says: what every model that reads words has, and models that write."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.errors import UserError
from unrolled.nn.cells import GatedCell
from unrolled.nn.register import cell, cell_options, find_cell


class TableSettings(BaseModel):
    """The table of a model's words, and what it starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding_size: int = Field(256, ge=1, description="features of a word's vector")
    embedding_scale: float | None = Field(
        None,
        gt=0,
        description="standard deviation of fresh vectors, 1/√embedding_size unless given; 1 suits a few dozen"
        " characters",
    )
    embeddings: str | None = Field(
        None,
        description="file of word vectors (word2vec or GloVe, a path as in [data]) that the words start from,"
        " those read where others are written; words it lacks start at random. Or skip-gram: vectors learnt"
        " from the training texts before all else",
    )
    frozen_embeddings: bool = Field(False, description="training leaves the vectors of a file as they are")

    @property
    def tuned(self) -> bool:
        """Whether training changes the table that ``embeddings`` is for."""
        return self.embeddings is None or not self.frozen_embeddings


class RecurrentSettings(TableSettings):
    """A recurrence over words: what every model that reads or writes them has."""

    cell: str = Field("lstm", description="the recurrence: rnn, gru, lstm, or a registered cell of your own")
    cell_options: dict[str, Any] = Field(
        default_factory=dict,
        description='the cell\'s own options, such as { reset = "after" } or { peepholes = "current" }',
    )
    hidden_size: int = Field(256, ge=1, description="features of the state, of a layer and direction")
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="share of a word vector's features dropped")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of words whose whole vector is dropped")
    layer_dropout: float = Field(0.0, ge=0, lt=1, description="share dropped between layers")
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the state dropped, the same at all steps (variational dropout)"
    )

    @model_validator(mode="after")
    def _cell_fits(self) -> Self:
        check_cell(self.cell, self.cell_options, mask=self.recurrent_dropout > 0)
        return self


class LayersSettings(RecurrentSettings):
    """Cells upon one another, with every dropout that layers have."""

    layers: int = Field(1, ge=1, description="cells upon one another")
    input_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped of every layer's input, the same features at all steps"
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="share of the recurrent matrices' entries dropped"
    )
    layer_norm: bool = Field(False, description="layer normalisation between layers")

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if self.weight_drop:
            check_cell(self.cell, self.cell_options, weight_drop=True)
        return self


class ConsistencySettings(BaseModel):
    """R-Drop (Liang et al. 2021), of models whose answers are classes or words."""

    consistency: float = Field(
        0.0,
        ge=0,
        description="weight, in training, of how far apart two readings of the same lie, each under its own"
        " dropout; twice the work",
    )


class DecoderSettings(RecurrentSettings, ConsistencySettings):
    """The decoder: whatever it reads, it writes word by word."""

    decoder_layers: int = Field(
        1,
        ge=1,
        description="cells upon one another in the decoder; with several, bahdanau and input_feeding train a"
        " step of Python at a time: more slowly",
    )
    attention: Literal["bahdanau", "luong", "none"] = Field(
        "luong",
        description="bahdanau: look, then move; luong: move, then look; none: all the decoder knows of the"
        " source is its first state",
    )
    score: Literal["additive", "general", "dot"] = Field(
        "general", description="how attention compares a state with a position of the source"
    )
    attention_size: int | None = Field(
        None, ge=1, description="features of the additive score (hidden_size unless given)"
    )
    input_feeding: bool = Field(
        True,
        description="luong: each step also reads what the one before attended to; without it all steps attend"
        " at once, which trains faster",
    )
    readout_size: int | None = Field(
        None,
        ge=1,
        description="features of what is projected on the vocabulary (hidden_size unless given,"
        " embedding_size where tied)",
    )
    bridge: Literal["last", "mean", "input", "zero"] = Field(
        "last",
        description="the decoder's first state: tanh(W·) of the source's last state, or of its mean position;"
        " input: the state after reading W·(mean position) as if it were a first word; or zero",
    )
    tie: Literal["none", "target", "all"] = Field(
        "none",
        description="share one table of vectors: target: the words written and their projection; all: the"
        " words read too (needs one vocabulary)",
    )
    context_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped of the source's states that the decoder attends to"
    )
    readout_dropout: float = Field(
        0.0, ge=0, lt=1, description="share dropped of what is projected on the vocabulary"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="probability taken from the right word and given to all, in training"
    )

    doubly_stochastic: float = Field(
        0.0,
        ge=0,
        description="weight of Σ(1 − Σα)² over the source in training: each position should be looked at once"
        " in all",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.attention == "none" and self.doubly_stochastic:
            raise ValueError("doubly_stochastic: without attention there is nothing to weigh; set it to 0")
        if self.attention != "none" and self.bridge == "input":
            raise ValueError(
                'bridge: "input" is for attention = "none"; a decoder that attends starts from "mean"'
            )
        if self.attention == "none" and self.bridge == "zero":
            raise ValueError(
                'bridge: without attention the decoder would know nothing of the source; choose "mean"'
            )
        if self.tie != "none" and self.readout_size not in (None, self.embedding_size):
            raise ValueError(
                "readout_size: where words are tied to their projection it is embedding_size,"
                f" {self.embedding_size}"
            )
        if self.tie == "target" and not self.target_tuned:
            raise ValueError("frozen_embeddings: words tied to their projection are tuned with it")
        return self

    @model_validator(mode="after")
    def _attention_fits(self) -> Self:
        # Of a cell of one's own only the model knows how wide its output is.
        if self.attention == "none" or not issubclass(find_cell(self.cell), GatedCell):
            return self
        if self.score != "additive" and self.attention_size not in (None, self.hidden_size):
            raise ValueError(
                f'attention_size: only score = "additive" has a choice; with "{self.score}" it is'
                f" hidden_size, {self.hidden_size}: leave it out"
            )
        size, key = self.attended
        if self.score == "dot" and size not in (None, self.hidden_size):
            raise ValueError(
                f'score: "dot" needs what is attended to ({size} features, by {key}) to be as wide as'
                f' hidden_size, {self.hidden_size}; choose "general" where they differ'
            )
        return self

    @property
    def attended(self) -> tuple[int | None, str]:
        """How wide what is attended to is, where the settings alone say it, and the key that does."""
        return None, ""

    @property
    def target_tuned(self) -> bool:
        """Whether training changes the table of the words written."""
        return self.tuned


class EncoderDecoderSettings(DecoderSettings):
    """An encoder that reads a sequence of words, and a decoder that writes another."""

    target_embeddings: str | None = Field(
        None, description="file of word vectors that the words written start from, or skip-gram"
    )
    encoder_layers: int = Field(1, ge=1, description="cells upon one another in the encoder")
    bidirectional: bool = Field(True, description="read the source in both directions")
    encoder_size: int | None = Field(
        None,
        ge=1,
        description="features of the encoder's state in each direction (unless given, hidden_size, or half"
        " of it where bidirectional)",
    )

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if self.encoder_size is None and self.bidirectional and self.hidden_size % 2:
            raise ValueError(
                f"hidden_size: {self.hidden_size} is odd, so that two directions cannot have half of it each;"
                " make it even or give encoder_size"
            )
        return self

    @model_validator(mode="after")
    def _one_table(self) -> Self:
        if self.tie == "all" and not (self.tuned and self.target_tuned):
            raise ValueError("frozen_embeddings: words tied to their projection are tuned with it")
        return self

    @property
    def target_tuned(self) -> bool:
        return self.target_embeddings is None or not self.frozen_embeddings

    @property
    def attended(self) -> tuple[int | None, str]:
        return self.direction_size * (2 if self.bidirectional else 1), "encoder_size"

    @property
    def direction_size(self) -> int:
        """Hidden size of one direction of the encoder."""
        if self.encoder_size is not None:
            return self.encoder_size
        return self.hidden_size // 2 if self.bidirectional else self.hidden_size


def check_cell(name: str, options: dict[str, Any], *, mask: bool = False, weight_drop: bool = False) -> None:
    """Find a mistyped cell or option, or dropout that the cell cannot have, before any data is read.

    Raises:
        ValueError: there is no such cell or option, the option's value is of another kind, the cell takes no
            mask on its state, or has no recurrent matrix.
    """
    try:
        defaults = cell_options(find_cell(name))
    except UserError as error:
        raise ValueError(f"cell: {error}") from None
    for option, value in options.items():
        default = defaults.get(option)
        number = isinstance(default, int | float) and not isinstance(default, bool)
        if (isinstance(default, bool) != isinstance(value, bool) and default is not None) or (
            number and not isinstance(value, int | float)
        ):
            raise ValueError(f"cell_options: {option} = {value!r}: should be like its default, {default!r}")
    try:
        with torch.random.fork_rng(devices=[]):
            made = cell(name, 1, 1, **options)
    except (UserError, TypeError) as error:
        raise ValueError(f"cell_options: {error}") from None
    if mask and not made.accepts_mask:
        raise ValueError(f"recurrent_dropout: the cell {name!r} takes no dropout mask; set it to 0")
    if weight_drop and "recurrent_weight" not in dict(made.named_parameters()):
        raise ValueError(f"weight_drop: the cell {name!r} has no recurrent_weight; set it to 0")


class CaptionerSettings(DecoderSettings):
    """A decoder that reads the regions of a picture."""

    region_size: int = Field(
        512, ge=0, description="features that a region's vector is projected to; 0: it is taken as it is"
    )
    bridge: Literal["mean", "input", "zero"] = Field(
        "mean",
        description="the decoder's first state: tanh(W·) of the mean region; or, without attention, the state"
        " after reading W·(mean region) as if it were a first word; or zero",
    )
    tie: Literal["none", "target"] = Field(
        "none", description="target: the words written share one table of vectors with their projection"
    )

    @property
    def attended(self) -> tuple[int | None, str]:
        return self.region_size or None, "region_size"
