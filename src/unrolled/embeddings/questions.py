"""Files of questions that word vectors are asked: analogies, and pairs of words that people have judged."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from unrolled.errors import UserError, at
from unrolled.text.corpus import read_lines


class Analogy(NamedTuple):
    """``a`` is to ``b`` as ``c`` is to ``d``."""

    section: str
    a: str
    b: str
    c: str
    d: str


class JudgedPair(NamedTuple):
    """Two words, and how alike or related people find them."""

    first: str
    second: str
    judgement: float


def read_analogies(path: str | Path) -> list[Analogy]:
    """Questions in the form of Mikolov's questions-words.txt: four words a line, ``: section`` before them.

    Raises:
        UserError: the file is missing or has no questions; or a line has not four words: file and line.
    """
    section, found = "all", []
    for number, line in enumerate(read_lines(path), 1):
        if line.startswith(":"):
            section = line[1:].strip()
        elif line.strip():
            words = line.split()
            if len(words) != 4:
                raise UserError(
                    f"{at(path, number)}: four words are wanted, and a colon before a section's name"
                )
            found.append(Analogy(section, *words))
    if not found:
        raise UserError(f"{path}: holds no questions")
    return found


def read_pairs(path: str | Path) -> list[JudgedPair]:
    """Two words and a number a line, separated by tabs or spaces; ``#`` begins a comment.

    The first line may be a header.

    Raises:
        UserError: the file is missing or has no pairs; or a line is something else: file and line.
    """
    found: list[JudgedPair] = []
    header = True
    for number, line in enumerate(read_lines(path), 1):
        if line.startswith("#") or not line.strip():
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        try:
            first, second, judgement = cells[0].strip(), cells[1].strip(), float(cells[2])
        except (IndexError, ValueError):
            if not header or len(cells) < 3:
                raise UserError(f"{at(path, number)}: two words and a number are wanted") from None
        else:
            found.append(JudgedPair(first, second, judgement))
        header = False
    if not found:
        raise UserError(f"{path}: holds no pairs")
    return found
