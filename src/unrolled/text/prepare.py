"""From a corpus to tokenizers and rows of ids on disk, streamed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from unrolled.errors import UserError, at
from unrolled.processors import threads
from unrolled.text.corpus import Record
from unrolled.text.settings import ParallelText, TokenizerSettings
from unrolled.text.store import StoreWriter
from unrolled.text.tokenizer import Ids, Tokenizer
from unrolled.text.workers import Workers

_CHUNK = 4096
_CHUNK_CHARACTERS = 2**22
"""Records, and characters, tokenised together: enough to keep the library's threads busy, little memory."""
_MOST = 8
"""Processes: more would wait for the one that reads."""
_FEW = 32
"""Chunks that are not worth the start of other processes, half a second."""


@dataclass
class Prepared:
    """What became of a part's records: how many were kept, how many left out, and why."""

    kept: int = 0
    too_long: int = 0
    empty: int = 0
    first_left_out: str | None = None
    noun: str = "pairs"

    @property
    def left_out(self) -> int:
        """Records left out of training."""
        return self.too_long + self.empty

    def __str__(self) -> str:
        if not self.left_out:
            return f"{self.kept:,} {self.noun}"
        reasons = [f"{self.too_long:,} too long"] * bool(self.too_long)
        reasons += [f"{self.empty:,} empty{' on a side' * (self.noun == 'pairs')}"] * bool(self.empty)
        why = " and ".join(reasons)
        left_out = f"{self.left_out:,} left out ({why}), the first at {self.first_left_out}"
        return f"{self.kept:,} {self.noun}; {left_out}"


class FieldEncoder(Protocol):
    """What turns one field of a record into ids: a tokenizer, or a table of names."""

    @property
    def size(self) -> int:
        """How many ids there are."""

    def encode_many(self, lines: Sequence[str]) -> Sequence[Ids]: ...


def train_tokenizers(
    read: Callable[[], Iterable[Record]], settings: ParallelText
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target, learnt from the training pairs alone.

    Args:
        read: gives the pairs from the start each time it is called (one pass a side).

    Raises:
        UserError: a side holds no text.
    """
    if settings.shared:
        both = Tokenizer.train((text for record in read() for text in record.fields), settings.target)
        return both, both

    def learn(side: int, name: str, own: TokenizerSettings) -> Tokenizer:
        try:
            return Tokenizer.train((record.fields[side] for record in read()), own)
        except UserError as error:
            raise UserError(f"the {name} side of data.train: {error}") from None

    return learn(0, "source", settings.source), learn(1, "target", settings.target)


def encode_records(
    records: Iterable[Record],
    tokenizers: Sequence[FieldEncoder],
    paths: Sequence[str | Path],
    *,
    max_length: int | None = None,
    end: int | None = None,
    noun: str = "pairs",
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Tokenise records and write one id store a field, row by row in step.

    Args:
        tokenizers, paths: one a field.
        max_length: records with more tokens than this in a field, or none in one, are left out and counted.
            ``None``: every record is kept.
        end: an id to write after each row (eos), so that the store's ids are a stream of ended lines.
        noun: what the records are called in a complaint.
        progress: called with the numbers of records and of bytes read so far.

    Raises:
        UserError: records were read but all of them left out.
    """
    result = Prepared(noun=noun)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(StoreWriter(path, tokenizer.size))
            for tokenizer, path in zip(tokenizers, paths, strict=True)
        ]
        done = read = 0
        for chunk, sides in _encoded(_chunks(records), tokenizers):
            if max_length is not None:
                sides = [*_filter(chunk, sides, max_length, result)]
            result.kept += len(sides[0])
            for writer, rows in zip(writers, sides, strict=True):
                writer.add(rows, end)
            done += len(chunk)
            if progress is not None:
                read += sum(_bytes(field) + 1 for record in chunk for field in record.fields)
                progress(done, read)
        if result.left_out and not result.kept:
            advice = "; raise data.max_length?" if result.too_long else ""
            raise UserError(f"no {noun} are left: {result}{advice}")
    return result


def _encoded(
    chunks: Iterator[list[Record]], tokenizers: Sequence[FieldEncoder]
) -> Iterator[tuple[list[Record], Sequence[Sequence[Ids]]]]:
    """Each chunk with its fields' ids; of a large corpus on all processors."""
    named = ((chunk, [*zip(*(record.fields for record in chunk), strict=True)]) for chunk in chunks)
    count = min(threads(), _MOST)
    few = _FEW if _slow(tokenizers) and count > 1 and sys.executable else None
    for chunk, fields in islice(named, few):
        yield chunk, [each.encode_many(lines) for each, lines in zip(tokenizers, fields, strict=True)]
    with Workers(tokenizers, count) as workers:
        yield from workers.encode(named)


def _slow(tokenizers: Sequence[FieldEncoder]) -> bool:
    """Whether they do by Python what the library would do on all of its threads."""
    known = [each for each in tokenizers if isinstance(each, Tokenizer)]
    return len(known) == len(tokenizers) and any(each.kind != "bpe" for each in known)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += sum(map(len, record.fields))
        if len(chunk) == _CHUNK or characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _filter(
    chunk: Sequence[Record], sides: Sequence[Sequence[Ids]], max_length: int, result: Prepared
) -> list[list[Ids]]:
    kept: list[list[Ids]] = [[] for _ in sides]
    for record, rows in zip(chunk, zip(*sides, strict=True), strict=True):
        lengths = [len(row) for row in rows]
        blank = min(lengths) == 0 or not all(map(str.strip, record.fields))
        if not blank and max(lengths) <= max_length:
            for side, row in zip(kept, rows, strict=True):
                side.append(row)
            continue
        if blank:
            result.empty += 1
        else:
            result.too_long += 1
        result.first_left_out = result.first_left_out or at(record.path, record.line)
    return kept
