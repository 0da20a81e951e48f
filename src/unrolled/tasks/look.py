"""``unrolled new``: look at the data, and write a recipe whose settings fit what was seen."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from unrolled import text
from unrolled.errors import UserError, counted

SAMPLE = 200_000
"""Pairs looked at; more would not change the advice."""


@dataclass
class Side:
    """What one side of the pairs looks like."""

    lines: int = 0
    characters: int = 0
    words: int = 0
    unbroken: int = 0
    types: Counter[str] = field(default_factory=Counter)
    distinct: set[int] = field(default_factory=set)

    def add(self, line: str) -> None:
        words = line.split()
        self.lines += 1
        self.characters += len(line)
        self.words += len(words)
        self.unbroken += len(words) <= 1
        self.types.update(words)
        self.distinct.add(hash(line))

    @property
    def kind(self) -> str:
        """The tokenizer that fits: words are spelled, a small closed set are symbols, text is cut."""
        if self.unbroken > 0.9 * self.lines:
            return "character"
        if len(self.types) <= 300 and self.words > 20 * len(self.types):
            return "symbol"
        return "bpe"

    def about(self) -> str:
        """What was seen, for the recipe's comment."""
        return (
            f"{self.words / self.lines:.1f} words and {self.characters / self.lines:.1f} characters a line,"
            f" {len(self.types):,} distinct words, for example {toml(self.example)}"
        )

    example: str = ""


def translate(paths: Sequence[Path]) -> str:
    """The text of a recipe for pairs of lines: one TSV or JSONL, or two files line by line.

    Raises:
        UserError: not one or two files, or files that cannot be read as pairs.
    """
    if len(paths) not in (1, 2):
        raise UserError(
            f"translate needs one file of pairs (TSV or JSONL) or two files line by line, not {len(paths)}"
        )
    names = [named(path) for path in paths]
    train = names[0] if len(names) == 1 else (names[0], names[1])
    if len(paths) == 2 and all("\t" in next(iter(text.read_lines(path)), "") for path in paths):
        raise UserError(
            "both files hold tabs, but two files are a source and a target, line by line: for pairs give one"
            " file, and the other as data.dev in the recipe"
        )
    columns = _keys(paths[0]) if len(paths) == 1 and text.is_jsonl(paths[0]) else None
    source, target, pairs = _sides(text.ParallelCorpus(text.ParallelData(train=train, columns=columns)))
    grouped = len(source.distinct) < 0.98 * pairs and source.kind == "character"
    distinct = len((source if grouped else target).distinct)  # what is held out is counted by
    if distinct < 3:
        raise UserError(
            f"{paths[0]}: {counted(pairs, 'pair')} with {distinct} different"
            f" {'source' if grouped else 'target'}{'s' * (distinct != 1)}: too few to hold some out for dev"
            " and for test"
        )
    held_out = max(1, min(2000, distinct // 20))
    pronounces = source.kind == "character" and target.kind == "symbol"
    # About as many weights as pairs can teach: a small model learns more from little.
    hidden, embedding = (512, 256) if pairs >= 50_000 else (256, 128) if pairs >= 5_000 else (128, 64)
    epochs = 20 if pairs >= 50_000 else 40 if pairs >= 5_000 else 100
    report = '["word_error_rate", "phoneme_error_rate"]' if pronounces else '["bleu", "chrf"]'
    more = " or more" if pairs == SAMPLE else ""
    chosen = f"\ncolumns = {toml(columns)}" if columns else ""
    return f"""\
# A translator for {pairs:,}{more} pairs of lines.
#   source: {source.about()}
#   target: {target.about()}
# Every other setting has a default; `unrolled train` writes all of them into the run's recipe.toml.
task = "translate"

[data]
train = {toml(train)}{chosen}
# Held out of the pairs above: dev chooses the best weights, test is reported. No held-out {
        "source" if grouped else "target"
    } is seen in training.
dev_size = {held_out}
test_size = {held_out}
split_by = "{"source" if grouped else "target"}"
group_references = {toml(grouped)}  # {
        "sources repeat: all their targets count as right" if grouped else "one reference a source"
    }

[text.source]
{_tokenizer(source, pairs)}

[text.target]
{_tokenizer(target, pairs)}

[model]
cell = "lstm"
embedding_size = {embedding}
hidden_size = {hidden}
attention = "luong"
input_feeding = false  # all steps attend at once: faster, and as good on short lines
embedding_dropout = {0.1 if pairs >= 50_000 else 0.3}
layer_dropout = 0.3
readout_dropout = 0.3
label_smoothing = 0.1

[training]
epochs = {epochs}
batch_tokens = {4000 if pairs >= 5_000 else 1000}
optimizer = "adamw"
learning_rate = 0.002
clip_norm = 1.0
schedule = "cosine"
warmup = {200 if pairs >= 5_000 else 20}
validate_every = "1 epoch"

[decoding]
beam = 3
length_penalty = 0.7

[metrics]
report = {report}
"""


def _keys(path: Path) -> tuple[str, str] | None:
    """Which keys of a JSONL hold the two sides, where they are not called source and target.

    Raises:
        UserError: there are others, but not two.
    """
    known = text.text_keys(path)
    if not known or {"source", "target"}.issubset(known):
        return None
    if len(known) != 2:
        raise UserError(
            f"{path}: which texts are pairs? Its lines have the keys {', '.join(known)}: leave two of them,"
            " or call two source and target"
        )
    return known[0], known[1]


def _sides(corpus: text.ParallelCorpus) -> tuple[Side, Side, int]:
    source, target, pairs = Side(), Side(), 0
    for record in islice(corpus.read("train"), SAMPLE):
        pairs += 1
        for side, line in zip((source, target), record.fields, strict=True):
            side.add(line)
            side.example = side.example or line
    return source, target, pairs


def _tokenizer(side: Side, pairs: int) -> str:
    if side.kind == "bpe":
        size = 8000 if pairs >= 100_000 else 4000 if pairs >= 10_000 else 1000
        return f'kind = "bpe"  # pieces of words: never an unknown word\nsize = {size}'
    reason = "single words, spelled" if side.kind == "character" else "a small closed set of symbols"
    return f'kind = "{side.kind}"  # {reason}'


def named(path: Path) -> str:
    """A path as a recipe that may lie anywhere names it."""
    return text.literal(os.path.abspath(path))


def plain_origin(paths: Sequence[Path]) -> dict[str, Any]:
    """What ``[data]`` says of where plain text is: ``train``, and ``column`` where a JSONL has its text under
    another key than ``text``.

    Raises:
        UserError: it has several keys, none of them called so.
    """
    names = [named(path) for path in paths]
    found: dict[str, Any] = {"train": names[0] if len(names) == 1 else names}
    keys = text.text_keys(paths[0]) if text.is_jsonl(paths[0]) else []
    if keys and "text" not in keys:
        if len(keys) > 1:
            raise UserError(
                f"{paths[0]}: which of {', '.join(keys)} is the text? Keep that alone, or call it text"
            )
        found["column"] = keys[0]
    return found


def lines_of(values: Mapping[str, Any]) -> str:
    """Settings as a recipe has them, a line each."""
    return "\n".join(f"{name} = {toml(value)}" for name, value in values.items())


def toml(value: Any) -> str:
    """A value as a recipe writes it."""
    return json.dumps(value, ensure_ascii=False)
