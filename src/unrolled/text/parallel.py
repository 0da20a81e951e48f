"""The parts of a parallel corpus, as a recipe's ``[data]`` describes them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from unrolled.text.corpus import Record, read_parallel, read_table
from unrolled.text.parts import Part, PartedCorpus
from unrolled.text.settings import ParallelData, Parted


class Segment(NamedTuple):
    """One source text and every translation of it that counts as right."""

    source: str
    references: list[str]
    path: str
    line: int


D = TypeVar("D", bound=Parted)


class PairedCorpus(PartedCorpus[Record, D]):
    """Records of two fields by part: what is read, and what is to be written."""

    @property
    @abstractmethod
    def grouped(self) -> bool:
        """Whether examples to evaluate on with the same first field are one segment."""

    def segments(self, part: Part) -> list[Segment]:
        """A part to evaluate on: one segment an example, or one a distinct source where :attr:`grouped`."""
        records = self.read(part)
        if not self.grouped:
            return [
                Segment(record.fields[0], [record.fields[1]], record.path, record.line) for record in records
            ]
        grouped: dict[str, Segment] = {}
        for (source, target), path, line in records:
            segment = grouped.setdefault(source, Segment(source, [], path, line))
            if target not in segment.references:
                segment.references.append(target)
        return list(grouped.values())


class ParallelCorpus(PairedCorpus[ParallelData]):
    """Pairs of texts by part: records of fields (source, target)."""

    noun = "pairs"

    @property
    def counted(self) -> str:
        return f"texts on the {self.data.split_by} side (data.split_by)"

    @property
    def grouped(self) -> bool:
        return self.data.group_references

    def key(self, example: Record) -> str:
        return example.fields[("source", "target").index(self.data.split_by)]

    def read_origin(self, origin: str | tuple[str, str], part: Part) -> Iterator[Record]:
        if not isinstance(origin, str):
            return read_parallel([self.data.path(name) for name in origin])
        columns, sides = self.data.columns, ("source", "target")
        named = self.read_named(origin, part, [str(column) for column in columns or sides])
        if named is not None:
            return named
        return read_table(self.data.path(origin), columns, sides, header=self.data.header)
