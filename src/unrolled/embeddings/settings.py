"""What a recipe says that learns word vectors."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.embeddings.noise import CHOICES
from unrolled.text.settings import Located, TokenizerSettings


class CorpusData(Located):
    """Text to learn from."""

    train: str | tuple[str, ...] = Field(
        description="text files, a folder of them, a JSONL (by its ending), or a named source such as"
        " python-source; a line is a sentence"
    )
    column: str = Field("text", description="which key of a JSONL or a data set holds the text")


EPOCHS, FIRST_RATE, LAST_RATE = 5, 0.025, 0.0001
"""Of skip-gram, unless said otherwise: passes over the text; the learning rate, which falls between these."""


class WordSettings(TokenizerSettings):
    """What a word is, and which words have a vector."""

    min_count: int = Field(5, ge=1, description="words seen fewer times are left out")


class VectorSettings(BaseModel):
    """How vectors are learnt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["skip-gram", "cbow", "glove"] = Field(
        "skip-gram",
        description="skip-gram: a word predicts its neighbours; cbow: they predict it (Mikolov 2013); glove:"
        " fit the logarithm of how often two words meet (Pennington 2014)",
    )
    dimensions: int = Field(100, ge=1, description="numbers in a vector")
    window: int | None = Field(
        None,
        ge=1,
        description="neighbours on each side, of which skip-gram and cbow draw 1 to all;"
        " not set: 5, glove 10",
    )
    negatives: int = Field(5, ge=1, le=100, description="words drawn from the noise for each one predicted")
    noise_power: float = Field(
        0.75, ge=0, le=1, description="a word is drawn by its count to this power: 1 as often as it occurs"
    )
    subsample: float = Field(
        1e-3, ge=0, description="words that make up more than this share are left out at times; 0: never"
    )
    piece_lengths: tuple[int, int] | None = Field(
        None,
        description="character n-grams that words are made of too, shortest and longest (Bojanowski 2017),"
        " such as [3, 6]; unseen words then have vectors; not set: none",
    )
    piece_rows: int = Field(200_000, ge=1, description="rows that all character n-grams share by hashing")
    reproducible: bool = Field(
        False,
        description="the same vectors for any number of threads, a little slower (one thread alone and glove"
        " always repeat themselves)",
    )

    maximum_count: float = Field(
        10,
        gt=0,
        description="glove: pairs that meet this often weigh 1, others less; 100 for billions of words",
    )
    weight_power: float = Field(0.75, gt=0, description="glove: how fast the weight falls below it")
    memory: int = Field(32, ge=1, description="glove: megabytes for counting pairs; the rest goes to disk")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.piece_lengths is not None:
            shortest, longest = self.piece_lengths
            if not 1 <= shortest <= longest:
                raise ValueError("piece_lengths: the shortest is at least 1 and at most the longest")
            if self.method == "glove":
                raise ValueError("piece_lengths: glove has no character n-grams; use skip-gram or cbow")
            # Two more say whether a word is trained on, and how far its window reaches.
            drawn, most = 2 * self.reach * self.negatives, CHOICES - 2
            if self.method == "skip-gram" and drawn > most:
                raise ValueError(
                    f"negatives: with piece_lengths a word draws 2 · window · negatives = {drawn:,} others,"
                    f" and can draw {most:,}: lower window or negatives"
                )
        return self

    @property
    def reach(self) -> int:
        """The window."""
        return self.window or (10 if self.method == "glove" else 5)


class BlockSettings(BaseModel):
    """How much an update takes; part of ``[training]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_words: int = Field(
        20_000, ge=1, description="words of text between two learning rates (glove: 16 pairs for each)"
    )


class WordTests(BaseModel):
    """Questions that vectors are asked; ``[metrics]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    analogies: str | None = Field(
        None, description="file of questions, four words a line, sections begun by a colon; path as in [data]"
    )
    pairs: str | None = Field(
        None, description="file of word pairs with people's judgement of them; path as in [data]"
    )
