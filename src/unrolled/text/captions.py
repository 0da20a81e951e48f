"""Captions of pictures: files that say which sentences belong to which picture."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from unrolled.errors import UserError, at
from unrolled.text.corpus import Record, read_lines
from unrolled.text.parallel import PairedCorpus
from unrolled.text.parts import Part
from unrolled.text.settings import Parted

_NUMBER = re.compile(r"#\d+$")


class CaptionData(Parted):
    """Pictures and their captions."""

    images: str = Field(default=".", description="folder of the pictures")
    captions: str | None = Field(
        default=None,
        description="one file with the captions of all parts; train, dev and test then list names of"
        " pictures, one a line",
    )
    train: str = Field(
        description="captions to learn from: lines picture TAB caption, or picture#n TAB caption (Flickr8k),"
        " or COCO's JSON by its ending; with data.captions: names of pictures"
    )
    dev: str | None = Field(
        default=None, description="the same, to choose the best weights with; or give dev_size"
    )
    test: str | None = Field(default=None, description="the same, to report; or give test_size")
    punctuation: Literal["keep", "remove"] = Field(
        default="keep",
        description="remove: captions lose their punctuation when they are read, those to learn from and the"
        " references alike",
    )
    max_length: int = Field(
        default=50, ge=1, description="training captions with more tokens than this are left out, and counted"
    )
    skip_bad: bool = Field(
        default=False,
        description="leave out pictures that are missing, damaged or without captions, with a warning each;"
        " otherwise one is an error",
    )

    def picture(self, name: str) -> Path:
        """The file of a picture that the captions name."""
        return self.path(self.images) / name


class CaptionCorpus(PairedCorpus[CaptionData]):
    """Captions by part: records of fields (picture, caption); what is held out is held out by picture.

    Attributes:
        left_out: pictures that are not read, whatever the files say.
    """

    noun = "captions"
    grouped = True

    def __init__(self, data: CaptionData) -> None:
        super().__init__(data)
        self.left_out: set[str] = set()

    def key(self, example: Record) -> str:
        return example.fields[0]

    def read_origin(self, origin: str, part: Part) -> Iterator[Record]:
        path = self.data.path(origin)
        if self.data.captions is None:
            records = read_captions(path)
        else:
            names = set(read_names(path))
            records = (
                each for each in read_captions(self.data.path(self.data.captions)) if each.fields[0] in names
            )
        for (picture, caption), file, line in records:
            if picture not in self.left_out:
                words = without_punctuation(caption) if self.data.punctuation == "remove" else caption
                yield Record((picture, words), file, line)

    def pictures(self) -> dict[str, Record]:
        """Every picture of every part, with the first record that names it."""
        found: dict[str, Record] = {}
        for part in self.parts():
            for record in self.read(part):
                found.setdefault(record.fields[0], record)
        return found

    def without_captions(self) -> Iterator[tuple[str, str]]:
        """Pictures that a part lists but no caption is of: their names, and where they are listed."""
        if self.data.captions is None:
            return
        captioned = {record.fields[0] for record in read_captions(self.data.path(self.data.captions))}
        for part in self.parts():
            origin = getattr(self.data, part)
            for line, name in enumerate(read_names(self.data.path(origin)) if origin else (), 1):
                if name and name not in captioned:
                    yield name, at(self.data.path(origin), line)


def read_names(path: str | Path) -> Iterator[str]:
    """Names of pictures, one a line; of a line with tabs what stands before the first.

    Raises:
        UserError: as :func:`~unrolled.text.corpus.read_lines`.
    """
    for line in read_lines(path):
        yield line.split("\t")[0].strip()


def read_captions(path: str | Path) -> Iterator[Record]:
    """Captions → fields ``(picture, caption)``: TSV, Flickr8k's ``picture#n TAB caption``, or COCO's JSON.

    Blank lines are skipped.

    Raises:
        UserError: as :func:`~unrolled.text.corpus.read_lines`; or a line without picture or caption, or JSON
            that is not COCO's.
    """
    if Path(path).suffix.lower() == ".json":
        yield from _read_coco(path)
        return
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        picture, tab, caption = line.partition("\t")
        if not tab or not picture.strip() or not caption.strip():
            raise UserError(f"{at(path, number)}: a picture, a tab and a caption are wanted")
        yield Record((_NUMBER.sub("", picture.strip()), caption.strip()), str(path), number)


def _read_coco(path: str | Path) -> Iterator[Record]:
    """``{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}``, numbered as lines."""
    try:
        content: Any = json.loads("\n".join(read_lines(path)))
        names = {each["id"]: str(each["file_name"]) for each in content["images"]}
        captions = [(each["image_id"], str(each["caption"])) for each in content["annotations"]]
    except json.JSONDecodeError as error:
        raise UserError(f"{at(path, error.lineno)}: not JSON ({error.msg})") from None
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not captions in COCO's form: images with id and file_name and annotations with image_id"
            f" and caption are wanted ({type(error).__name__}: {error})"
        ) from None
    for number, (picture, caption) in enumerate(captions, 1):
        if picture not in names:
            raise UserError(f"{path}: annotation {number} is of image {picture}, which images does not hold")
        yield Record((names[picture], " ".join(caption.split())), str(path), number)


def without_punctuation(line: str) -> str:
    """The line without punctuation and symbols, what is left joined by single spaces."""
    kept = (character for character in line if unicodedata.category(character)[0] not in "PS")
    return " ".join("".join(kept).split())
