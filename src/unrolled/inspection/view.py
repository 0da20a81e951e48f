"""What every view is: figures as plain data, pictures, and sections of a page."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from unrolled import drawing, files
from unrolled.errors import UserError

ENDINGS = (".png", ".svg", ".html", ".npz")


@dataclass(frozen=True)
class Picture:
    """A drawing of :mod:`unrolled.drawing` that lacks only its ``path``, and what it shows in words.

    A page has the caption below the picture, a file as its title.
    """

    alt: str
    draw: Callable[..., None]
    caption: str = ""

    @property
    def markup(self) -> drawing.Markup:
        """The picture as a block of a page."""
        return drawing.figure(drawing.svg(self.draw), alt=self.alt, caption=self.caption)


@dataclass(frozen=True)
class Section:
    """A section of a page: paragraphs and markup."""

    title: str
    blocks: Sequence[str]


class View(ABC):
    """One look into a run: a dataclass of plain figures, and ways to show it."""

    title: ClassVar[str]

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Everything a reader of JSON wants: strings, numbers, lists, arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything a program wants, by name."""

    @abstractmethod
    def pictures(self) -> list[Picture]:
        """The view drawn, the chief picture first."""

    @abstractmethod
    def sections(self) -> list[Section]:
        """The view as part of a page."""

    @abstractmethod
    def lines(self) -> list[str]:
        """The view in a terminal."""

    def page(self) -> drawing.Page:
        """The view as a page by itself."""
        return page(self.title, self.sections())


def page(title: str, sections: Sequence[Section], lead: str = "") -> drawing.Page:
    """Sections as one self-contained page."""
    made = drawing.Page(title, lead=lead)
    for section in sections:
        made.section(section.title, *section.blocks)
    return made


def check_output(path: str | Path, endings: Sequence[str] = ENDINGS) -> Path:
    """The path, when a view can be written there: to be asked before a long computation, not after it.

    Raises:
        UserError: as :func:`unrolled.files.check_output`; or matplotlib is missing.
    """
    path = files.check_output(path, endings)
    ending = path.suffix.lower()
    if ending != ".npz":
        # A page's pictures need what a picture needs.
        drawing.check_target(path.with_suffix(".svg") if ending == ".html" else path)
    return path


def write(view: View, path: Path) -> list[Path]:
    """Write the view in the form that the path's ending names; what was written.

    Pictures after the first get a number: ``OUT-2.png``.

    Raises:
        UserError: as :func:`check_output`.
        RunError: the file cannot be written.
    """
    check_output(path)
    if path.suffix.lower() == ".html":
        view.page().write(path)
        return [path]
    if path.suffix.lower() == ".npz":
        _write_arrays(path, view.arrays())
        return [path]
    written = []
    for number, picture in enumerate(view.pictures(), 1):
        place = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        picture.draw(path=place, **({"title": picture.caption} if picture.caption else {}))
        written.append(place)
    return written


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with files.writing(path), open(path, "wb") as file:
        np.savez_compressed(file, **cast("dict[str, Any]", arrays))


def strings(values: Sequence[str]) -> NDArray[Any]:
    """Strings as an array; ones that end in NUL, which NumPy would cut, are not expected of tokens."""
    return np.array(values, dtype=np.str_)


def named(name: str, known: Sequence[str], what: str) -> str:
    """The name, when it is known.

    Raises:
        UserError: it is not; the known ones are listed.
    """
    if name not in known:
        shown = ", ".join(known[:40]) + (" …" if len(known) > 40 else "")
        raise UserError(f"no {what} {json.dumps(name, ensure_ascii=False)}; there are: {shown}")
    return name
