"""Tagged sentences in columns: CoNLL's shared tasks, and Universal Dependencies' CoNLL-U."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unrolled.errors import UserError, at, nearest
from unrolled.text.corpus import read_lines

DOCUMENT = "-DOCSTART-"
"""The word that begins a document in the CoNLL shared tasks; it is no sentence."""

CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


class TaggedSentence(NamedTuple):
    """Words and their tags, and where the sentence begins (``line`` counts from 1)."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    path: str
    line: int


def read_columns(
    path: str | Path, word: int = 1, tag: int | None = None, encoding: str = "utf-8"
) -> Iterator[TaggedSentence]:
    """CoNLL columns: a word a line, a blank line between sentences, ``-DOCSTART-`` lines skipped.

    Columns are separated by tabs if the line holds one, else by spaces.

    Args:
        word, tag: column numbers from 1; no tag: the last column.

    Raises:
        UserError: as :func:`unrolled.text.read_lines`; or a line lacks a column.
    """
    wanted = max(word, tag or 2)
    rows: list[tuple[str, str]] = []
    start = 1
    for number, line in enumerate(read_lines(path, encoding), 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not any(cells):
            if rows:
                yield _sentence(rows, path, start)
                rows = []
            continue
        if cells[0] == DOCUMENT:
            continue
        if len(cells) < wanted:
            raise UserError(f"{at(path, number)}: column {wanted} is wanted, but this line has {len(cells)}")
        if not rows:
            start = number
        rows.append((cells[word - 1], cells[tag - 1 if tag else -1]))
    if rows:
        yield _sentence(rows, path, start)


def read_conllu(path: str | Path, tag: str = "upos") -> Iterator[TaggedSentence]:
    """CoNLL-U: syntactic words, with one of their columns as tag.

    Ranges of a word that was split (``1-2``) and empty nodes (``1.1``) are skipped.
    Source: https://universaldependencies.org/format.html

    Raises:
        UserError: as :func:`unrolled.text.read_lines`; or there is no such column, or a line has not ten.
    """
    if tag not in CONLLU_COLUMNS:
        raise UserError(f"CoNLL-U has no column {tag!r}; {nearest(tag, CONLLU_COLUMNS)}")
    column = CONLLU_COLUMNS.index(tag)
    rows: list[tuple[str, str]] = []
    start = 1
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            if rows:
                yield _sentence(rows, path, start)
                rows = []
            continue
        if line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != len(CONLLU_COLUMNS):
            raise UserError(
                f"{at(path, number)}: {len(CONLLU_COLUMNS)} columns separated by tabs are wanted,"
                f" but this line has {len(cells)}"
            )
        if not cells[0].isdigit():
            continue
        if not rows:
            start = number
        rows.append((cells[1], cells[column]))
    if rows:
        yield _sentence(rows, path, start)


def _sentence(rows: list[tuple[str, str]], path: str | Path, line: int) -> TaggedSentence:
    words, tags = zip(*rows, strict=True)
    return TaggedSentence(words, tags, str(path), line)
