"""The parts of a corpus, train, dev and test: files of their own, or held out of the training file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from unrolled.errors import UserError
from unrolled.files import write_whole
from unrolled.text import sources
from unrolled.text.corpus import Record, read_dataset
from unrolled.text.holdout import hold_out
from unrolled.text.settings import Parted

Part = Literal["train", "dev", "test"]
_HUGGING_FACE = "huggingface:"
_HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
R = TypeVar("R")
D = TypeVar("D", bound=Parted)


class PartedCorpus(ABC, Generic[R, D]):
    """Examples by part. Reading streams from disk each time; nothing is kept in memory."""

    noun = "examples"
    """What its examples are called in a complaint."""

    def __init__(self, data: D) -> None:
        self.data = data

    @property
    def counted(self) -> str:
        """What is counted when holding out."""
        return self.noun

    @property
    def hint(self) -> str:
        """What to say where a part turns out to be empty."""
        return ""

    @abstractmethod
    def read_origin(self, origin: Any, part: Part) -> Iterator[R]:
        """Every example of what a recipe says under ``data.<part>``."""

    @abstractmethod
    def key(self, example: R) -> str:
        """What no two parts may share when one is held out of the other."""

    def parts(self) -> list[Part]:
        """The parts this data has."""
        return [part for part in ("train", "dev", "test") if self.data.has(part)]

    def read(self, part: Part) -> Iterator[R]:
        """The examples of a part, in the order of the files.

        Raises:
            UserError: there is no such part; its files are missing, empty, or wrong in some line.
        """
        origin = self._origin(part)
        if origin is None:
            raise UserError(
                f"the data has no {part} part: give data.{part} or data.{part}_size in the recipe"
            )
        held_out = part == "train" or getattr(self.data, part) is None
        part_of = self.divide() if held_out and self.sizes else None
        count = 0
        for example in self.read_origin(origin, "train" if held_out else part):
            if part_of is None or part_of(example) == part:
                count += 1
                yield example
        if not count:
            named = origin if isinstance(origin, str) else " and ".join(origin)
            raise UserError(f"{named}: no {self.noun} for data.{part}{self.hint}")

    def _origin(self, part: Part) -> Any:
        own = getattr(self.data, part)
        held_out = part != "train" and getattr(self.data, f"{part}_size") > 0
        return self.data.train if held_out else own

    def divide(self) -> Callable[[R], str]:
        """From each training example, asked for in order, to its part; by its key alone."""
        part_of = self._hold_out
        return lambda example: part_of(self.key(example))

    @property
    def sizes(self) -> dict[str, float]:
        """What is held out of the training data."""
        sizes = {part: getattr(self.data, f"{part}_size") for part in ("test", "dev")}
        return {part: size for part, size in sizes.items() if size}

    @cached_property
    def _hold_out(self) -> Callable[[str], str]:
        keys = (self.key(example) for example in self.read_origin(self.data.train, "train"))
        return hold_out(keys, self.sizes, self.data.split_seed, self.counted)

    def read_named(self, origin: str, part: Part, keys: Sequence[str]) -> Iterator[Record] | None:
        """A Hugging Face data set, its fields under ``keys``, or a named source; None where it is a path.

        Raises:
            UserError: no such file and no such source, or one whose records have another number of fields.
        """
        if origin.startswith(_HUGGING_FACE):
            name, config, split = [*origin.removeprefix(_HUGGING_FACE).split(":"), "", ""][:3]
            return read_dataset(name, config or None, split or _HUB_SPLITS[part], keys)
        path = self.data.path(origin)
        if origin in sources.names() or not (path.exists() or path.suffix or "/" in origin):
            return self._checked(origin, sources.find(origin)(), len(keys))
        return None

    def _checked(self, name: str, records: Iterator[Record], fields: int) -> Iterator[Record]:
        for record in records:
            if len(record.fields) != fields:
                raise UserError(f"the source {name} holds no {self.noun}")
            yield record


def write_part(path: Path, examples: Iterable[tuple[Any, ...]]) -> None:
    """Keep examples beside a run, one JSON array a line, so that they can be scored without the corpus."""
    # Read before anything is written: what fails then is not the writing.
    write_whole(path, [f"{json.dumps(example, ensure_ascii=False)}\n".encode() for example in examples])


def read_part(folder: Path, part: str, kind: Callable[..., R], data: Parted) -> list[R]:
    """Examples as :func:`write_part` left them in a run's cache, each made by ``kind`` from its fields.

    Raises:
        UserError: as :func:`check_part`; or the file is damaged, or of the train part.
    """
    path = folder / f"{part}.jsonl"
    if part == "train":
        raise UserError("the train part is not kept as text: ask for dev or test")
    check_part(path, part, data)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        return [kind(*json.loads(line)) for line in lines if line]
    except (ValueError, TypeError):
        raise UserError(f"{path}: damaged; delete {folder} to prepare the data again") from None


def check_part(path: Path, part: str, data: Parted) -> None:
    """Refuse to look for a part of the data that a run does not have at ``path``.

    Raises:
        UserError: the recipe's ``data`` has no such part, or it was lost.
    """
    if not data.has(part):
        kept = ", ".join(each for each in ("train", "dev", "test") if data.has(each))
        raise UserError(
            f"the run has no {part} part (it has: {kept}); its recipe gave neither data.{part} nor"
            f" data.{part}_size"
        )
    if not path.exists():
        raise UserError(
            f"{path}: missing: delete {path.parent / 'prepared.json'} and give the train command again, which"
            " prepares the data anew"
        )
