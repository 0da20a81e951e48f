"""What a recipe says about texts with labels and sentences with tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from unrolled.text.settings import (
    BatchSettings,
    Encoding,
    Header,
    Parted,
    Settings,
    TokenizerSettings,
    VocabularySettings,
)


class LabelledData(Parted):
    """Texts with labels to train, choose and test a classifier with."""

    train: str = Field(
        description="a file of texts with labels, a folder with one folder a class, or such a folder within a"
        " .tar.gz (reviews.tar.gz/train)"
    )
    dev: str | None = Field(default=None, description="the same, to choose the best weights; or dev_size")
    test: str | None = Field(default=None, description="the same, to report; or give test_size")
    format: Literal["auto", "lines", "tsv", "jsonl"] = Field(
        default="auto",
        description="of a file. lines: a label, a space, a text; tsv: columns; jsonl: an object a line; auto:"
        " by its ending, lines where that says nothing",
    )
    columns: tuple[int, int] | tuple[str, str] | None = Field(
        default=None,
        description="which columns of a TSV hold text and label, counted from 1 (1, 2 unless said otherwise),"
        " or which keys of a JSONL (text, label)",
    )
    header: Header = False
    encoding: Encoding = Field(default="utf-8", description="of the files: utf-8, latin-1, cp1252, ...")
    several: bool = Field(default=False, description="a text may have several labels, or none")
    separator: str = Field(
        default=",", min_length=1, description="several: what stands between the labels of a text"
    )
    label_until: str | None = Field(
        default=None,
        min_length=1,
        description='a label is what stands before this: with ":" the label NUM:date is NUM',
    )
    labels: list[str] | None = Field(
        default=None,
        min_length=2,
        description="the labels to learn; texts with others are left out (not set: all of the training data)",
    )

    @field_validator("labels")
    @classmethod
    def _differ(cls, labels: list[str] | None) -> list[str] | None:
        if labels is not None and len(set(labels)) < len(labels):
            raise ValueError("a label stands there twice")
        return labels

    max_length: int = Field(
        default=400,
        ge=1,
        description="tokens of a training text that are kept; texts to answer are read whole",
    )
    keep: Literal["head", "tail"] = Field(
        default="head", description="which end of a longer training text is kept"
    )

    def split(self, labels: str) -> list[str]:
        """The labels that one text holds."""
        return [*filter(None, map(str.strip, labels.split(self.separator)))] if self.several else [labels]


class KnownTwice(VocabularySettings):
    """A vocabulary in which what is seen once is unknown, so that there is a vector for the unknown."""

    min_count: int = Field(default=2, ge=1, description="those seen fewer times in training are unknown")


class SpelledText(TokenizerSettings):
    """A classifier's tokens and, where ``[model] characters`` asks for them, the characters of its words."""

    characters: KnownTwice = Field(
        default_factory=KnownTwice, description="the characters in a word, where the model reads them"
    )


class TaggedText(Settings):
    """A tagger's words, and the characters that spell them."""

    words: KnownTwice = Field(
        default_factory=KnownTwice,
        description="words as a whole; an unknown one is known by its characters alone",
    )
    characters: KnownTwice = Field(default_factory=KnownTwice, description="the characters in a word")


class TaggedData(Parted):
    """Tagged sentences to train, choose and test a tagger with."""

    train: str = Field(description="CoNLL columns, or CoNLL-U by the ending .conllu")
    dev: str | None = Field(default=None, description="the same, to choose the best weights; or dev_size")
    test: str | None = Field(default=None, description="the same, to report; or give test_size")
    word: int = Field(default=1, ge=1, description="columns: which holds the word, counted from 1")
    tag: Annotated[int, Field(ge=1)] | str | None = Field(
        default=None,
        description="columns: which holds the tag, counted from 1 (the last unless given); CoNLL-U: its name"
        " (upos unless given)",
    )
    scheme: Literal["none", "BIO", "IOB1", "IOB2", "IOBES"] = Field(
        default="none",
        description="how the tags spell spans; BIO is IOB2; none: a tag a word, as of parts of speech",
    )
    encoding: Encoding = Field(default="utf-8", description="of the files: utf-8, latin-1, cp1252, ...")
    max_length: int = Field(
        default=200,
        ge=1,
        description="training sentences with more words than this are left out, and counted",
    )


class LabelBatchSettings(BatchSettings):
    """How a classifier is taught; part of ``[training]``."""

    batch_tokens: int = Field(1000, ge=1, description="positions of a batch, padding included")
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        default="none",
        description="how much a text counts by its label: balanced, so that all labels count alike; or"
        " { label = weight }, 1 for those not named",
    )
    calibrate: bool = Field(
        default=False,
        description="at the end choose the temperature of the probabilities on dev; it changes no answer",
    )
