"""Texts with labels, as a classifier's ``[data]`` describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UserError, at, nearest
from unrolled.text.archive import archive_of, read_archive
from unrolled.text.corpus import (
    Record,
    is_jsonl,
    pick,
    read_folders,
    read_labelled,
    read_objects,
    read_tsv,
    under,
)
from unrolled.text.label_settings import LabelledData
from unrolled.text.parts import Part, PartedCorpus

_DEFAULTS = {"tsv": (1, 2), "jsonl": ("text", "label")}


class LabelledText(NamedTuple):
    """A text and its labels, one unless ``data.several``; and where it was read."""

    text: str
    labels: tuple[str, ...]
    path: str
    line: int


class LabelledCorpus(PartedCorpus[LabelledText, LabelledData]):
    """Labelled texts by part."""

    noun = "labelled texts"

    def __init__(self, data: LabelledData) -> None:
        super().__init__(data)
        self.left_out: dict[str, int] = {}
        """Of each file that was read, how many texts had none of ``data.labels``."""

    def key(self, example: LabelledText) -> str:
        return example.text

    def read_origin(self, origin: str, part: Part) -> Iterator[LabelledText]:
        named = self.read_named(origin, part, [str(key) for key in self.data.columns or _DEFAULTS["jsonl"]])
        records = self._records(self.data.path(origin)) if named is None else self._split(named)
        left_out = 0
        for (text, *labels), path, line in records:
            found = tuple(labels)
            if self.data.label_until is not None:
                found = tuple(label.split(self.data.label_until)[0] for label in found)
            found = tuple(dict.fromkeys(map(str.strip, found)))  # NUM:a and NUM:b may be NUM twice
            if self.data.labels is not None:
                kept = tuple(label for label in found if label in self.data.labels)
                if found and not kept:
                    left_out += 1
                    continue
                found = kept
            if not self.data.several and not all(found):
                raise UserError(f"{at(path, line)}: the label is empty")
            yield LabelledText(text, found, path, line)
        self.left_out[origin] = left_out

    def _records(self, path: Path) -> Iterator[Record]:
        """Fields (text, label, …)."""
        data = self.data
        if archive := archive_of(path):
            return self._split(read_archive(archive, path.relative_to(archive).as_posix(), data.encoding))
        if path.is_dir():
            return self._split(read_folders(path, data.encoding))
        form = data.format
        if form == "auto":
            form = "jsonl" if is_jsonl(path) else "tsv" if path.suffix.lower() == ".tsv" else "lines"
        if form == "lines":
            if data.columns or data.header:
                raise UserError(
                    f'{path}: data.columns and data.header are of tables: add data.format = "tsv", or leave'
                    " them out of lines that begin with their label"
                )
            return self._split(read_labelled(path, data.encoding))
        columns: Any = data.columns or _DEFAULTS[form]
        wanted, what = (str, "keys of a JSONL") if form == "jsonl" else (int, "column numbers of a TSV")
        if not all(isinstance(column, wanted) for column in columns):
            raise UserError(f"{path}: data.columns must be {what} file, for the text and the label")
        if form == "tsv":
            return self._split(read_tsv(path, columns, data.encoding, header=data.header))
        return self._objects(path, columns)

    def _split(self, records: Iterator[Record]) -> Iterator[Record]:
        """The labels within the last field apart, where a text may have several."""
        return (
            Record((text, *self.data.split(labels)), path, line) for (text, labels), path, line in records
        )

    def _objects(self, path: Path, columns: tuple[str, str]) -> Iterator[Record]:
        """Of a JSONL: its labels are a text, or where there may be several also a list of texts."""
        for row, line in read_objects(path):
            place = at(path, line)
            text = pick(row, columns[0], place)
            listed = under(row, columns[1], place)
            if self.data.several and isinstance(listed, list):
                yield Record(
                    (text, *(pick({columns[1]: each}, columns[1], place) for each in listed)), str(path), line
                )
            else:
                yield from self._split(iter([Record((text, pick(row, columns[1], place)), str(path), line)]))


def class_weights(
    setting: str | Mapping[str, float], counts: NDArray[np.integer], names: Sequence[str]
) -> NDArray[np.float32] | None:
    """The weight of each label, ``None`` where all are 1.

    ``"balanced"``: n/(k·count), so that each of k labels has the same share and the mean text the weight 1.

    Args:
        counts: how many texts have each label.

    Raises:
        UserError: a weight for a label that there is not, or a negative one.
    """
    if setting == "none":
        return None
    if isinstance(setting, str):
        return (counts.sum() / (len(counts) * np.maximum(counts, 1))).astype(np.float32)
    for name, weight in setting.items():
        if name not in names:
            raise UserError(f"training.class_weights: no label {name!r}: {nearest(name, names)}")
        if not weight >= 0:
            raise UserError(f"training.class_weights: {name} = {weight}: should be 0 or more")
    return np.array([setting.get(name, 1.0) for name in names], dtype=np.float32)
