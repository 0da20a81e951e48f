"""What a recipe says about text: where it is, and how it is cut into tokens."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from unrolled.errors import UserError

DATA_VARIABLE = "UNROLLED_DATA"
"""The environment variable that says where data sets are."""

Side = Literal["source", "target"]


class Settings(BaseModel):
    """A recipe section: an unknown key or a value of the wrong type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VocabularySettings(Settings):
    """Which tokens have an id, and in what form."""

    size: int | None = Field(
        default=None,
        ge=5,
        description="most entries the vocabulary may have, pad, unk, bos and eos counted; the most frequent"
        " stay (bpe: 8000 unless said otherwise)",
    )
    min_count: int = Field(default=1, ge=1, description="tokens seen fewer times in training are unknown")
    lowercase: bool = Field(default=False, description="lower-case the text")
    digits: bool = Field(default=False, description="every digit is read as 0")
    normalize: Literal["NFC", "NFKC", "none"] = Field(default="NFC", description="Unicode normal form")

    def normal(self, line: str) -> str:
        """A text in the normal form that the model's own texts are in."""
        return line if self.normalize == "none" else unicodedata.normalize(self.normalize, line)

    def tokenizer(self, kind: str) -> TokenizerSettings:
        """The same for a tokenizer of that kind."""
        return TokenizerSettings.model_validate({**self.model_dump(), "kind": kind})


class TokenizerSettings(VocabularySettings):
    """How one side's text becomes tokens, and which of them have an id."""

    kind: Literal["word", "character", "byte", "symbol", "bpe"] = Field(
        default="word",
        description="word: see split; symbol: split at spaces alone (phonemes); character: every character,"
        " spaces too; byte: UTF-8 bytes; bpe: byte pair encoding of bytes, never an unknown word",
    )
    split: Literal["space", "words"] = Field(
        default="space",
        description="of words. space: at white space, the text is tokenized already; words: runs of letters"
        " and digits, every other mark by itself",
    )

    @model_validator(mode="after")
    def _split_words(self) -> Self:
        if self.split == "words" and self.kind != "word":
            raise ValueError(
                f'split: kind = "{self.kind}" has a split of its own; "words" is for kind = "word"'
            )
        return self

    @model_validator(mode="after")
    def _bpe_size(self) -> Self:
        if self.kind == "bpe" and self.size is not None and self.size < 260:
            raise ValueError("size: byte pair encoding needs at least 260 (256 bytes and 4 special tokens)")
        return self


class ParallelText(Settings):
    """The tokenizers of a translator's two sides."""

    source: TokenizerSettings = Field(default_factory=TokenizerSettings, description="the language read")
    target: TokenizerSettings = Field(default_factory=TokenizerSettings, description="the language written")
    shared: bool = Field(
        default=False,
        description="one vocabulary for both sides, learnt from both with the settings of the target",
    )


def _known_encoding(name: str) -> str:
    try:
        "text".encode(name)  # codecs.lookup knows rot13 and hex too, which write no text
    except LookupError:
        raise ValueError(f"no encoding {name!r} is known: utf-8, latin-1, cp1252, ...") from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]
"""The name of a way to write text as bytes."""

Header = Annotated[bool, Field(description="of a TSV: line 1 names the columns, so it is no example")]


class Located(Settings):
    """Data with a place. A relative ``root`` is taken from the recipe's folder.

    Whoever validates a recipe passes that folder as ``context={"folder": path.parent}``; a relative root is
    then stored absolute, so that the recipe recorded in a run still finds its data. ``$VARIABLE`` stays as
    written and is expanded when a file is opened, so that a run may move between machines.
    """

    root: str = Field(
        default=".",
        description="folder that relative paths start from; relative to this recipe; may hold $VARIABLES",
    )

    @model_validator(mode="after")
    def _absolute(self, info: ValidationInfo) -> Self:
        folder = (info.context or {}).get("folder")
        if folder is not None and not self.root.startswith(("$", "~")) and not Path(self.root).is_absolute():
            # The model is frozen for its users; here it is still being made.
            root = str((Path(folder) / self.root).resolve())
            object.__setattr__(self, "root", root if "$" in self.root else literal(root))
        return self

    def path(self, name: str) -> Path:
        """Where the file called ``name`` in the recipe is.

        Raises:
            UserError: it names an environment variable that is not set.
        """
        own = Path(expand(name))
        return own if own.is_absolute() else Path(expand(self.root)) / own


def literal(path: str) -> str:
    """A path in which no ``$`` begins a variable, as :func:`expand` wants it."""
    return path.replace("$", "$$")


def expand(path: str) -> str:
    """``~`` and ``$VARIABLES`` replaced by their values.

    ``$UNROLLED_DATA`` falls back to ``../shared/data`` (from the current folder) when it is unset and that
    folder is there.

    Raises:
        UserError: a variable is not set.
    """
    fallback = Path("../shared/data")
    values = dict(os.environ)
    if not values.get(DATA_VARIABLE) and fallback.is_dir():
        values[DATA_VARIABLE] = str(fallback.resolve())
    try:
        return os.path.expanduser(Template(path).substitute(values))
    except KeyError as error:
        name = error.args[0]
        raise UserError(
            f"{path}: ${name} is not set; set it to the folder that holds the data"
            f" (export {name}=/path/to/data; the head of the recipe says what to fetch), or give another"
            " data.root in the recipe"
        ) from None
    except ValueError:
        raise UserError(f"{path}: a $ must begin the name of an environment variable ($$ is a $)") from None


class Parted(Located):
    """Data in three parts, of which dev and test may be held out of train.

    A subclass says what ``train``, ``dev`` and ``test`` may be.
    """

    train: Any = Field(description="what to learn from")
    dev: Any = Field(default=None, description="what chooses the best weights; or give dev_size")
    test: Any = Field(default=None, description="what is reported; or give test_size")
    dev_size: Annotated[float, Field(ge=0)] = Field(
        default=0,
        description="held out of train for dev: a number of distinct examples, or a share of them below 1",
    )
    test_size: Annotated[float, Field(ge=0)] = Field(
        default=0, description="held out of train for test, likewise"
    )
    split_seed: int = Field(default=1, ge=0, lt=2**63, description="which of them are held out")

    @model_validator(mode="after")
    def _one_origin_each(self) -> Self:
        for part in ("dev", "test"):
            if getattr(self, part) is not None and getattr(self, f"{part}_size"):
                raise ValueError(f"{part} and {part}_size exclude each other: give one of them")
        return self

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return getattr(self, part, None) is not None or getattr(self, f"{part}_size", 0) > 0


class ParallelData(Parted):
    """Pairs of texts to train, choose and test a translator with."""

    train: str | tuple[str, str] = Field(
        description="one file of pairs (TSV, or JSONL by its ending), two files line by line"
        " [source, target], or a named source such as cmudict"
    )
    dev: str | tuple[str, str] | None = Field(
        default=None, description="the same, to choose the best weights with; or give dev_size"
    )
    test: str | tuple[str, str] | None = Field(
        default=None, description="the same, to report; or give test_size"
    )
    columns: tuple[int, int] | tuple[str, str] | None = Field(
        default=None,
        description="which columns of a TSV hold source and target, counted from 1 (1, 2 unless said"
        " otherwise), or which keys of a JSONL (source, target)",
    )
    header: Header = False
    split_by: Side = Field(
        default="source",
        description="what is counted when holding out: nothing on this side of a held-out pair is seen on"
        " that side in training",
    )
    group_references: bool = Field(
        default=False,
        description="dev and test: pairs with the same source are one segment with several references",
    )
    examples: list[list[str]] = Field(
        default_factory=list,
        description="[source, target …] that `unrolled evaluate` shows: the best answers for the source, and"
        " the score of each target after it",
        json_schema_extra={"may_change": True},
    )
    max_length: int = Field(
        default=100,
        ge=1,
        description="training pairs with more tokens than this on a side are left out, and counted",
    )

    @model_validator(mode="after")
    def _examples(self) -> Self:
        if not all(self.examples):
            raise ValueError("examples: each is a list of a source and, if you like, targets to score")
        return self


class PlainData(Parted):
    """Text to train, choose and test a language model with."""

    train: str | tuple[str, ...] = Field(
        description="a text file, several that follow one another, a folder of them, a JSONL (by its ending),"
        " a folder of one folder a class within a .tar.gz (reviews.tar.gz/train), or a named source such as"
        " python-source"
    )
    dev: str | tuple[str, ...] | None = Field(
        default=None, description="the same, to choose the best weights with; or give dev_size"
    )
    test: str | tuple[str, ...] | None = Field(
        default=None, description="the same, to report; or give test_size"
    )
    dev_size: Annotated[float, Field(ge=0)] = Field(
        default=0,
        description="held out of train for dev: of a stream its beginning (test_size: its end), in"
        " characters; else a number of distinct lines or documents; or, below 1, a share of them",
    )
    form: Literal["stream", "documents", "lines"] = Field(
        default="stream",
        description="stream: one long text, line after line; documents: one long text of whole files (of a"
        " JSONL: rows), line breaks within them; lines: each line a text by itself, such as a name",
    )
    column: str = Field(default="text", description="which key of a JSONL or a data set holds the text")
    max_length: int = Field(
        default=1000,
        ge=1,
        description="lines: training lines with more tokens than this are left out, and counted, as are blank"
        " ones of every part",
    )


class BatchSettings(Settings):
    """How much goes through the model at once; part of ``[training]``."""

    batch_tokens: int = Field(
        4000,
        ge=1,
        description="positions of a batch's longer side, padding included",
    )


class StreamSettings(BatchSettings):
    """How a language model reads its text; part of ``[training]``."""

    batch_tokens: int = Field(
        4000, ge=1, description="lines: positions of a batch, padding included (streams: columns, window)"
    )
    columns: int = Field(32, ge=1, description="places of the stream that are read side by side")
    window: int = Field(
        70, ge=1, description="steps of an update; the state goes on into the next window, the gradient not"
    )
    window_jitter: float = Field(
        0.0, ge=0, description="standard deviation of the window's length, anew each epoch; 0: all alike"
    )
