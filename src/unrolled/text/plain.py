"""Text for a language model, by part: one stream, documents, or lines by themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from unrolled.errors import UserError
from unrolled.text.archive import archive_of, read_archive
from unrolled.text.corpus import Record, is_jsonl, read_jsonl, read_lines, read_plain
from unrolled.text.parts import Part, PartedCorpus
from unrolled.text.settings import PlainData


class PlainCorpus(PartedCorpus[Record, PlainData]):
    """Records of one field: a line, or in the form ``documents`` a whole document with its line breaks.

    Lines and documents are held out by what they say, so that none stands in two parts. Of a stream dev is
    the beginning and test the end, before which nothing is held out.
    """

    noun = "texts"
    longest: int | None = None
    """Lines of more bytes are read in pieces."""

    def key(self, example: Record) -> str:
        return example.fields[0]

    def read_origin(self, origin: str | tuple[str, ...], part: Part) -> Iterator[Record]:
        found = self._read(origin, part)
        return found if self.data.form == "documents" else _lines(found)

    @property
    def hint(self) -> str:
        if self.data.form != "stream" or not self.sizes:
            return ""
        return ": a stream is divided between its lines: break long ones, or give dev and test files"

    def divide(self) -> Callable[[Record], str]:
        return super().divide() if self.data.form != "stream" else _Ends(self._borders)

    def sample(self, part: Part, limit: int) -> Iterator[str]:
        """The texts of a part, evenly thinned out where there are more than about ``limit`` bytes of them."""
        step = -(-(self.bytes(part) or 0) // limit) or 1
        return (record.fields[0] for record in islice(self.read(part), 0, None, step))

    def bytes(self, part: Part) -> int | None:
        """About how much there is to read for a part, where the disk tells."""
        origin = self._origin(part)
        if origin is None:
            return None
        names = [origin] if isinstance(origin, str) else origin
        files = [file for name in names for file in _files(self.data.path(name))]
        return sum(file.stat().st_size for file in files) or None

    def _read(self, origin: str | tuple[str, ...], part: Part) -> Iterator[Record]:
        named = self.read_named(origin, part, [self.data.column]) if isinstance(origin, str) else None
        if named is not None:
            yield from named
            return
        for name in [origin] if isinstance(origin, str) else origin:
            yield from self._read_path(self.data.path(name))

    def _read_path(self, path: Path) -> Iterator[Record]:
        if archive := archive_of(path):
            for found in read_archive(archive, path.relative_to(archive).as_posix()):
                yield found._replace(fields=found.fields[:1])
            return
        if path.is_dir() and not any(True for _ in _files(path)):
            raise UserError(f"{path}: there is no file in this folder")
        for file in _files(path) if path.is_dir() else [path]:
            if is_jsonl(file):
                yield from read_jsonl(file, [self.data.column])
            elif self.data.form == "documents":
                yield Record(("\n".join(read_lines(file)),), str(file), 1)
            else:
                yield from read_plain(file, longest=self.longest)

    @cached_property
    def _borders(self) -> list[tuple[str, int]]:
        """The parts of a stream in order, and the characters before each ends."""
        total = sum(len(record.fields[0]) + 1 for record in self.read_origin(self.data.train, "train"))
        sizes = {part: round(size * total) if size < 1 else int(size) for part, size in self.sizes.items()}
        if sum(sizes.values()) >= total:
            raise UserError(
                f"data.dev_size and data.test_size leave nothing to train on: there are {total:,} characters"
            )
        return [("dev", sizes.get("dev", 0)), ("train", total - sizes.get("test", 0)), ("test", total)]


class _Ends:
    """The part of each line of a stream, asked for in order: that in which the line begins."""

    def __init__(self, borders: list[tuple[str, int]]) -> None:
        self._borders = iter(borders)
        self._part, self._end = next(self._borders)
        self._seen = 0

    def __call__(self, record: Record) -> str:
        while self._seen >= self._end:
            self._part, self._end = next(self._borders, (self._part, sys.maxsize))
        self._seen += len(record.fields[0]) + 1
        return self._part


def _lines(records: Iterator[Record]) -> Iterator[Record]:
    for record in records:
        (text,), path, line = record
        if "\n" not in text:
            yield record
            continue
        for number, each in enumerate(text.split("\n"), line):
            yield Record((each,), path, number)


def _files(path: Path) -> Iterator[Path]:
    """A file, or those anywhere below a folder, in the order of their names; none where there is neither."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(
            file
            for file in path.rglob("*")
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
