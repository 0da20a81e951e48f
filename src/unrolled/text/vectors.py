"""Files of word vectors: word2vec's text and binary forms, and GloVe's text. Every reader and writer of them.

| form | layout |
| --- | --- |
| ``word2vec`` | a line ``words size``, then a line ``word number number …`` each |
| ``glove`` | the same without the first line |
| ``binary`` | the line ``words size``, then ``word``, a space and ``size`` little-endian float32 each |

A word may hold spaces in the text forms: the numbers are counted from the end of the line.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.lib import format as npy
from numpy.typing import NDArray

from unrolled.errors import RunError, UserError, at
from unrolled.files import write_whole
from unrolled.text.corpus import read_lines, unreadable

Form = Literal["word2vec", "glove", "binary"]
Matrix = Float32[np.ndarray, "words size"]

_HEADER = re.compile(r"(\d+) (\d+) ?")
_DECIMAL = re.compile(r"[-+]?(?:\d*\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
_PEEK = 100
_CHUNK = 1 << 20


class Layout(NamedTuple):
    """How a vector file is laid out; ``words`` is what its first line promises, if it has one."""

    form: Form
    size: int
    words: int | None


def layout(path: str | Path) -> Layout:
    """Find out a file's form and the size of its vectors from its beginning.

    Raises:
        UserError: it is missing, empty, or no vector file.
    """
    try:
        with open(path, "rb") as file:
            first = file.readline(_CHUNK).rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf")
            second = file.readline(_CHUNK).rstrip(b"\r\n ")
    except OSError as error:
        raise unreadable(path, error) from None
    header = _HEADER.fullmatch(first.decode("latin-1"))
    if header is not None and int(header[2]) > 0:
        words, size = map(int, header.groups())
        # A text row ends with a number whatever else is wrong with it; float32 numbers do not look like one.
        text = words == 0 or not second or _numbers_at_end(second.decode("utf-8", "replace")) > 0
        return Layout("word2vec" if text else "binary", size, words)
    if not first:
        raise UserError(f"{path}: holds no vectors")
    # One line may be damaged, so the size is that of most lines.
    sizes = Counter(_numbers_at_end(line) for line in islice(read_lines(path), _PEEK) if line)
    size = sizes.most_common(1)[0][0]
    if size == 0:
        raise UserError(
            f"{at(path, 1)}: no vector file: a word and its numbers, separated by spaces, are wanted"
        )
    return Layout("glove", size, None)


def _numbers_at_end(line: str) -> int:
    count = 0
    for field in reversed(line.rstrip(" ").split(" ")[1:]):
        if not _is_number(field):
            break
        count += 1
    return count


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def iterate(path: str | Path, vocabulary: Container[str] | None = None) -> Iterator[tuple[str, NDArray]]:
    """Words and their vectors (float32), streamed in the file's order; only those in ``vocabulary`` if given.

    Raises:
        UserError: as :func:`layout`; or a row is too short or too long, or holds no number or one that is not
            finite: file and line; or there are fewer rows than the file promises.
    """
    form, size, promised = layout(path)
    rows = _binary_rows(path, size, promised or 0) if form == "binary" else _text_rows(path, size, form)
    count = 0
    for word, place, numbers in rows:
        count += 1
        if vocabulary is None or word in vocabulary:
            yield word, _parse(numbers, size, place)
    if promised is not None and count != promised:
        raise UserError(f"{path}: its first line promises {promised} vectors, but it has {count}")


def _parse(numbers: bytes | list[str], size: int, place: str) -> NDArray[np.float32]:
    if isinstance(numbers, bytes):
        vector = np.frombuffer(numbers, dtype="<f4")
    else:
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and told below
                vector = np.array([float(number) for number in numbers]).astype(np.float32)
        except ValueError as error:
            raise UserError(f"{place}: {error}; a word and {size} numbers are wanted") from None
    if not np.isfinite(vector).all():
        raise UserError(f"{place}: a number is not finite (nan or inf): mend or delete the vector")
    return vector


def _text_rows(path: str | Path, size: int, form: Form) -> Iterator[tuple[str, str, list[str]]]:
    for number, line in enumerate(read_lines(path), 1):
        if (number == 1 and form == "word2vec") or not line:
            continue
        word, *numbers = line.removesuffix(" ").rsplit(" ", size)
        if len(numbers) < size or not _is_number(numbers[0]):
            found = _numbers_at_end(line)
            raise UserError(
                f"{at(path, number)}: a short row: {found} numbers, but the other vectors have {size}"
            )
        *_, last = word.rpartition(" ")
        if last != word and _DECIMAL.fullmatch(last):
            raise UserError(
                f"{at(path, number)}: a long row: more than {size} numbers, but the other vectors have {size}"
            )
        yield word, at(path, number), numbers


def _binary_rows(path: str | Path, size: int, words: int) -> Iterator[tuple[str, str, bytes]]:
    with open(path, "rb") as file:
        file.readline()
        buffer, start = b"", 0
        for row in range(1, words + 1):
            place = f"{path}: vector {row} of {words}"
            while (space := buffer.find(b" ", start)) < 0 or len(buffer) < space + 1 + 4 * size:
                more = file.read(_CHUNK)
                if not more:
                    raise UserError(f"{place} is cut short: the file is damaged, fetch it again")
                buffer, start = buffer[start:] + more, 0
            # The original program ends each row with a line feed, others do not.
            raw = buffer[start:space].lstrip(b"\n")
            try:
                word = raw.decode("utf-8")
            except UnicodeDecodeError:
                raise UserError(
                    f"{place}: its word is not valid UTF-8, or vectors have not size {size}"
                ) from None
            start = space + 1 + 4 * size
            yield word, place, buffer[space + 1 : start]


def read(path: str | Path, vocabulary: Iterable[str] | None = None) -> tuple[list[str], Matrix]:
    """Words and their matrix, one row a word, in memory; a word that stands twice keeps its first vector.

    Args:
        vocabulary: read only the vectors of these words; others cost no memory.

    Raises:
        UserError: as :func:`iterate`.
    """
    numbers = bytearray()
    words = _collect(path, None if vocabulary is None else frozenset(vocabulary), numbers.extend)
    return words, np.frombuffer(numbers, dtype=np.float32).reshape(len(words), layout(path).size)


def _collect(
    path: str | Path, vocabulary: Container[str] | None, take: Callable[[bytes], object]
) -> list[str]:
    words: dict[str, None] = {}
    for word, vector in iterate(path, vocabulary):
        if word not in words:
            words[word] = None
            take(vector.tobytes())
    return list(words)


def write(path: str | Path, words: Sequence[str], matrix: Matrix, form: Form = "word2vec") -> None:
    """Write vectors, whole or not at all; text has the digits that give the same float32 back.

    Raises:
        ValueError: numbers of words and rows differ.
        UserError: the form cannot hold a word.
        RunError: the disk is full or cannot be written.
    """
    if len(words) != len(matrix):
        raise ValueError(f"{len(words)} words, but {len(matrix)} vectors")
    forbidden, able = ("\n ", "word2vec and glove can") if form == "binary" else ("\n", "no form can")
    for word in words:
        if not word or any(letter in word for letter in forbidden):
            raise UserError(f"{path}: the form {form} cannot hold the word {word!r}; {able}")
    write_whole(Path(path), _lines(words, matrix, form))


def _lines(words: Sequence[str], matrix: Matrix, form: Form) -> Iterator[bytes]:
    if form != "glove":
        yield f"{len(words)} {matrix.shape[1]}\n".encode()
    if form == "binary":
        for word, row in zip(words, matrix, strict=True):
            yield word.encode() + b" " + row.astype("<f4").tobytes() + b"\n"
        return
    numbers = " %.9g" * matrix.shape[1] + "\n"
    for word, row in zip(words, matrix, strict=True):
        yield (word + numbers % tuple(row.tolist())).encode()


def open_mapped(path: str | Path, cache: str | Path | None = None) -> tuple[list[str], Matrix]:
    """As :func:`read`, but with the matrix mapped from disk: it takes no memory of its own.

    No form of vector file can be mapped as it stands (rows begin anywhere), so the first time its numbers are
    copied, streamed, to an aligned array below ``cache``; afterwards opening is immediate. A file that has
    changed since is copied again.

    Args:
        cache: a folder; default ``unrolled/vectors`` in the user's cache folder (``XDG_CACHE_HOME``).

    Raises:
        UserError: as :func:`iterate`.
        RunError: the cache cannot be written.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if cache is None:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache = Path(base) / "unrolled" / "vectors"
    # One folder a file as it is now, so that processes that copy at once write the same.
    name = hashlib.blake2b(os.fsencode(Path(path).resolve()), digest_size=12).hexdigest()
    folder = Path(cache) / f"{name}-{status.st_size}-{status.st_mtime_ns}"
    try:
        if not folder.is_dir():
            _copy_aligned(path, folder)
            for old in {*folder.parent.glob(f"{name}*")} - {folder}:
                shutil.rmtree(old, ignore_errors=True)
        numbers = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be used ({error.strerror}); set XDG_CACHE_HOME to another folder"
        ) from None
    return list(read_lines(folder / "words")), np.asarray(numbers)


def _copy_aligned(path: str | Path, folder: Path) -> None:
    size = layout(path).size
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        with (temporary / "vectors.npy").open("wb") as file:
            _write_header(file, 0, size)
            words = _collect(path, None, file.write)
            file.seek(0)
            _write_header(file, len(words), size)
        (temporary / "words").write_bytes("".join(f"{word}\n" for word in words).encode())
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_header(file: BinaryIO, words: int, size: int) -> None:
    # NumPy leaves room in a header for any number of rows, so that it can be completed afterwards.
    npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (words, size)})
