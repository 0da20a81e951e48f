"""Tagged sentences in columns: CoNLL's shared tasks, and Universal Dependencies' CoNLL-U."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from unrolled.errors import UserError, at, nearest
from unrolled.text.corpus import read_lines

DOCUMENT = "-DOCSTART-"
"""The word that begins a document in the CoNLL shared tasks; it is no sentence."""

CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")

Block = list[tuple[int, str]]
"""Lines that stand together and their numbers, from 1."""


class TaggedSentence(NamedTuple):
    """Words and their tags, and where the sentence begins (``line`` counts from 1)."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    path: str
    line: int


@dataclass(frozen=True)
class Columns:
    """Which of a line's columns, separated by tabs if it holds one and else by spaces, hold word and tag.

    Attributes:
        word, tag: their numbers from 1; tag ``None``: the last.
        total: how many columns a line must have, where that is known.
        conllu: whether lines may also be comments, ranges of a split word (``1-2``), empty nodes (``1.1``).
    """

    word: int = 1
    tag: int | None = None
    total: int | None = None
    conllu: bool = False

    @classmethod
    def of_conllu(cls, tag: str = "upos") -> Columns:
        """CoNLL-U's, with one of its columns as tag (https://universaldependencies.org/format.html).

        Raises:
            UserError: it has no such column.
        """
        if tag not in CONLLU_COLUMNS:
            raise UserError(f"CoNLL-U has no column {tag!r}; {nearest(tag, CONLLU_COLUMNS)}")
        return cls(2, CONLLU_COLUMNS.index(tag) + 1, len(CONLLU_COLUMNS), conllu=True)

    def cells(self, line: str, place: str) -> list[str] | None:
        """A line's columns; ``None`` where it holds no word of a sentence.

        Raises:
            UserError: a column is missing.
        """
        if self.conllu and line.startswith("#"):
            return None
        tabbed = "\t" in line or self.conllu
        # A word may hold one of Unicode's other spaces, such as the one in "10 000" that breaks no line.
        cells = line.split("\t") if tabbed else [cell for cell in line.split(" ") if cell]
        if cells[0] == DOCUMENT:
            return None
        if self.total is not None and len(cells) != self.total:
            separated = " separated by tabs" if self.conllu else ", as in the lines before it,"
            raise UserError(
                f"{place}: {self.total} columns{separated} are wanted, but this line has {len(cells)}"
            )
        wanted = max(self.word, self.tag or 1)
        if len(cells) < wanted:
            raise UserError(f"{place}: column {wanted} is wanted, but this line has {len(cells)}")
        return None if self.conllu and not cells[0].isdigit() else cells

    def words(self, block: Block, path: str | Path) -> list[str]:
        """The words of a block.

        Raises:
            UserError: a column is missing.
        """
        rows = (self.cells(line, at(path, number)) for number, line in block)
        return [cells[self.word - 1] for cells in rows if cells is not None]

    def tagged(self, block: Block, tags: Iterable[str]) -> Iterator[str]:
        """The lines of a block with tags for its words: in their column of CoNLL-U, else in one more."""
        left = iter(tags)
        for _, line in block:
            cells = self.cells(line, "")
            if cells is None:
                yield line
            elif self.conllu and self.tag is not None:
                yield "\t".join([*cells[: self.tag - 1], next(left), *cells[self.tag :]])
            else:
                yield f"{line}{chr(9) if chr(9) in line else ' '}{next(left)}"


def blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Lines between blank ones, streamed."""
    block: Block = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def read_columns(
    path: str | Path, word: int = 1, tag: int | None = None, encoding: str = "utf-8"
) -> Iterator[TaggedSentence]:
    """CoNLL columns: a word a line, a blank line between sentences, ``-DOCSTART-`` lines skipped.

    Args:
        word, tag: column numbers from 1; no tag: the last column, and every line has as many as the first.

    Raises:
        UserError: as :func:`unrolled.text.read_lines`; or a line lacks a column.
    """
    columns = Columns(word, tag)
    for block in blocks(read_lines(path, encoding)):
        if columns.tag is None:
            looked_at = Columns(word, max(2, word))
            rows = (looked_at.cells(line, at(path, number)) for number, line in block)
            first = next((cells for cells in rows if cells is not None), None)
            if first is None:  # -DOCSTART- by itself
                continue
            columns = Columns(word, len(first), len(first))
        yield from _sentence(block, columns, path)


def is_conllu(path: str | Path) -> bool:
    """Whether a file's ending says that it is CoNLL-U."""
    return Path(path).suffix.lower() == ".conllu"


def read_conllu(path: str | Path, tag: str = "upos") -> Iterator[TaggedSentence]:
    """CoNLL-U: syntactic words, with one of their columns as tag.

    Raises:
        UserError: as :func:`unrolled.text.read_lines`; or there is no such column, or a line has not ten.
    """
    columns = Columns.of_conllu(tag)
    for block in blocks(read_lines(path)):
        yield from _sentence(block, columns, path)


def _sentence(block: Block, columns: Columns, path: str | Path) -> Iterator[TaggedSentence]:
    """The block's sentence, where it is one."""
    assert columns.tag is not None
    rows = []
    for number, line in block:
        cells = columns.cells(line, at(path, number))
        if cells is not None:
            if not cells[columns.tag - 1].strip():
                raise UserError(f"{at(path, number)}: the tag is empty")
            rows.append((cells[columns.word - 1], cells[columns.tag - 1], number))
    if rows:
        words, tags, numbers = zip(*rows, strict=True)
        yield TaggedSentence(words, tags, str(path), numbers[0])
