"""Reading corpora: every reader streams :class:`Record`\\ s, and every complaint names file and line.

A line ends at ``\\n`` alone (``\\r\\n`` is accepted): other characters that Unicode counts as line breaks are
ordinary text, so that parallel files never come apart. A byte order mark at the start of a file is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple

from unrolled.errors import UserError, at, counted, nearest

Column = int | str

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""How compressed files begin."""


class Record(NamedTuple):
    """One example: its texts, and where they were read (``line`` counts from 1)."""

    fields: tuple[str, ...]
    path: str
    line: int


def read_lines(path: str | Path, encoding: str = "utf-8", *, longest: int | None = None) -> Iterator[str]:
    """The lines of a text file without their ends, streamed.

    Args:
        encoding: one in which a line feed is one byte (UTF-8, Latin-1, Windows-1252 …).
        longest: lines of more bytes come in pieces that end at a space.

    Raises:
        UserError: the file is missing or unreadable, or a line is not valid text.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed by the with below; only opening may fail here)
    except OSError as error:
        raise unreadable(path, error) from None
    with file:
        try:
            yield from decoded(file if longest is None else _pieces(file, longest), path, encoding)
        except OSError as error:  # a folder opens on some systems and fails only here
            raise unreadable(path, error) from None


def decoded(raws: Iterable[bytes], path: str | Path, encoding: str = "utf-8") -> Iterator[str]:
    """Lines as bytes, of what is called ``path``, as text; they may come in pieces, the last with its end.

    Raises:
        UserError: a line is not valid text.
    """
    number = 1
    try:
        for index, raw in enumerate(raws):
            if index == 0:
                if packed := next((form for head, form in _PACKED.items() if raw.startswith(head)), None):
                    raise UserError(f"{path}: compressed ({packed}): unpack it first")
                raw = raw.removeprefix(_BYTE_ORDER_MARK)
                if not raw:
                    continue
            yield raw.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
            number += raw.endswith(b"\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{at(path, number)}: not valid {encoding.upper()} (byte {error.object[error.start]:#04x} at"
            f" position {error.start + 1}); convert the file first, for example with iconv"
        ) from None


def _pieces(file: BinaryIO, longest: int) -> Iterator[bytes]:
    rest = b""
    while more := file.readline(longest):
        raw, rest = rest + more, b""
        if len(more) == longest and not more.endswith(b"\n"):
            head, _, rest = raw.rpartition(b" ")
            if len(rest) > 4 * longest:  # a script without spaces: between characters, lest it grow and grow
                end = len(raw) - 1
                while end and raw[end] & 0xC0 == 0x80:
                    end -= 1
                head, rest = raw[:end], raw[end:]
            raw = head
        if raw:
            yield raw
    if rest:
        yield rest


def unreadable(path: str | Path, error: OSError) -> UserError:
    """What to tell a user about a file that could not be opened."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: no such file")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path}: is a folder, not a file")
    return UserError(f"{path}: cannot be read ({error.strerror})")


def read_plain(path: str | Path, encoding: str = "utf-8", *, longest: int | None = None) -> Iterator[Record]:
    """One record of one field a line, empty lines too; ``longest`` as for :func:`read_lines`.

    Raises:
        UserError: as :func:`read_lines`.
    """
    name = str(path)
    for number, line in enumerate(read_lines(path, encoding, longest=longest), 1):
        yield Record((line,), name, number)


def read_parallel(paths: Sequence[str | Path], encoding: str = "utf-8") -> Iterator[Record]:
    """Files that belong together line by line; a record's place is that of the first file.

    Raises:
        UserError: as :func:`read_lines`; or one file ends before another, with both counts.
    """
    files = [read_lines(path, encoding) for path in paths]
    first = str(paths[0])
    number = 0
    while True:
        lines = [next(file, None) for file in files]
        if all(line is not None for line in lines):
            number += 1
            yield Record(tuple(line for line in lines if line is not None), first, number)
            continue
        if all(line is None for line in lines):
            return
        counts = [
            number + (line is not None) + sum(1 for _ in file)
            for line, file in zip(lines, files, strict=True)
        ]
        says = " but ".join(
            f"{path} has {counted(count, 'line')}" for path, count in zip(paths, counts, strict=True)
        )
        raise UserError(f"{says}: they must be translations of each other line by line")


def read_tsv(
    path: str | Path, columns: Sequence[int], encoding: str = "utf-8", *, header: bool = False
) -> Iterator[Record]:
    """Tab-separated lines; ``columns`` count from 1, others are ignored, blank lines are skipped.

    There is no quoting: a quotation mark is text.

    Args:
        header: line 1 names the columns: it is no example.

    Raises:
        UserError: as :func:`read_lines`; or a line lacks a column.
    """
    indices = [column - 1 for column in columns]
    if min(indices) < 0:
        raise UserError(f"columns count from 1, so {min(columns)} is none")
    wanted = max(columns)
    for number, line in enumerate(read_lines(path, encoding), 1):
        if not line.strip() or (header and number == 1):
            continue
        cells = line.split("\t")
        if len(cells) < wanted:
            raise UserError(
                f"{at(path, number)}: column {wanted} is wanted, but this line has {len(cells)};"
                " columns are separated by tabs, and data.columns chooses them"
            )
        yield Record(tuple(cells[index] for index in indices), str(path), number)


def read_jsonl(path: str | Path, keys: Sequence[str]) -> Iterator[Record]:
    """One JSON object a line; ``"translation.en"`` is the key ``en`` inside ``translation``.

    Raises:
        UserError: as :func:`read_objects`; or a line lacks a key, or holds no text there.
    """
    for row, number in read_objects(path):
        yield Record(tuple(pick(row, key, at(path, number)) for key in keys), str(path), number)


def read_objects(path: str | Path) -> Iterator[tuple[Any, int]]:
    """One JSON value a line, and which line; blank lines are skipped.

    Raises:
        UserError: as :func:`read_lines`; or a line is no JSON.
    """
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line), number
        except json.JSONDecodeError as error:
            raise UserError(
                f"{at(path, number)}: not JSON ({error.msg} at position {error.pos + 1})"
            ) from None


def text_keys(path: str | Path) -> list[str]:
    """The keys of a JSONL's first line that hold texts, dotted where one is inside another.

    Raises:
        UserError: as :func:`read_objects`.
    """

    def keys(value: Any, prefix: str) -> Iterator[str]:
        for name, inner in value.items() if isinstance(value, dict) else ():
            if isinstance(inner, str):
                yield prefix + name
            yield from keys(inner, f"{prefix}{name}.")

    return [key for row, _ in islice(read_objects(path), 1) for key in keys(row, "")]


def under(row: Any, key: str, place: str) -> Any:
    """What is under a dotted key of nested mappings.

    Raises:
        UserError: there is no such key (the nearest one is named).
    """
    value = row
    for name in [key] if isinstance(row, dict) and key in row else key.split("."):
        if not isinstance(value, dict):
            raise UserError(f"{place}: not an object with a key {name!r}")
        if name not in value:
            raise UserError(
                f"{place}: no key {name!r}; {nearest(name, map(str, value))}"
                " (data.columns, of plain text data.column, names another)"
            )
        value = value[name]
    return value


def pick(row: Any, key: str, place: str) -> str:
    """The text under a dotted key; numbers and truth values as JSON writes them.

    Raises:
        UserError: as :func:`under`; or there is no text.
    """
    value = under(row, key, place)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise UserError(f"{place}: {key!r} holds no text but {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = value[error.start]
        raise UserError(
            f"{place}: {key!r} holds half a character ({half!r}): mend or delete the line"
        ) from None
    return value


def is_jsonl(path: str | Path) -> bool:
    """Whether a file's ending says that each of its lines is JSON."""
    return Path(path).suffix.lower() in {".jsonl", ".json", ".ndjson"}


def read_table(
    path: str | Path,
    columns: Sequence[Column] | None,
    defaults: Sequence[str],
    encoding: str = "utf-8",
    *,
    header: bool = False,
) -> Iterator[Record]:
    """TSV or JSONL, by the file's ending.

    Args:
        columns: numbers (TSV) or keys (JSONL); ``None``: the first columns, or the keys ``defaults``.
        header: as for :func:`read_tsv`.

    Raises:
        UserError: as :func:`read_tsv` and :func:`read_jsonl`; or numbers for a JSONL, keys for a TSV.
    """
    if is_jsonl(path):
        keys = list(columns) if columns is not None else list(defaults)
        if any(isinstance(key, int) for key in keys):
            raise UserError(f"{path}: data.columns must name keys of a JSONL file, not numbers")
        return read_jsonl(path, [str(key) for key in keys])
    numbers = list(columns) if columns is not None else list(range(1, len(defaults) + 1))
    if any(isinstance(number, str) for number in numbers):
        raise UserError(f"{path}: data.columns must be column numbers (from 1) of a TSV file, not names")
    return read_tsv(path, [int(number) for number in numbers], encoding, header=header)


def read_labelled(path: str | Path, encoding: str = "utf-8") -> Iterator[Record]:
    """Lines ``label text``, separated by the first white space → fields ``(text, label)``.

    Blank lines are skipped.

    Raises:
        UserError: as :func:`read_lines`; or a line holds a label alone.
    """
    for number, line in enumerate(read_lines(path, encoding), 1):
        if not line.strip():
            continue
        label, *rest = line.split(None, 1)
        if not rest:
            raise UserError(f"{at(path, number)}: a label and a text are wanted, separated by a space")
        yield Record((rest[0].rstrip(), label), str(path), number)


def hidden(path: PurePath) -> bool:
    """Whether a file of a folder of texts is none of them, such as ``.DS_Store``."""
    return path.name.startswith(".")


def read_folders(path: str | Path, encoding: str = "utf-8") -> Iterator[Record]:
    """One folder a class, one file a text → fields ``(text, class)``, in the order of the names.

    Line breaks inside a file become spaces.

    Raises:
        UserError: as :func:`read_lines`; or there are no folders, or no files in them.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"{path}: no such folder")
    found = False
    for folder in sorted(entry for entry in root.iterdir() if entry.is_dir() and not hidden(entry)):
        for file in sorted(entry for entry in folder.iterdir() if entry.is_file() and not hidden(entry)):
            found = True
            yield Record((" ".join(read_lines(file, encoding)), folder.name), str(file), 1)
    if not found:
        raise UserError(f"{path}: expected one folder a class with text files in it")


def read_dataset(name: str, config: str | None, split: str, keys: Sequence[str]) -> Iterator[Record]:
    """A Hugging Face data set, streamed (extra ``datasets``); ``keys`` as for :func:`read_jsonl`.

    Raises:
        UserError: the extra is not installed, the set cannot be loaded, a row lacks a key.
    """
    try:
        from datasets import load_dataset
    except ImportError:
        raise UserError("Hugging Face data sets need an extra: pip install 'unrolled[datasets]'") from None
    place = f"huggingface:{name}"
    try:
        rows = load_dataset(name, config, split=split, streaming=True)
    except Exception as error:  # the library raises many unrelated types
        raise UserError(f"{place}: cannot be loaded ({error})") from None
    for number, row in enumerate(rows, 1):
        yield Record(tuple(pick(row, key, at(place, number)) for key in keys), place, number)
