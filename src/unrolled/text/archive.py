"""One folder a class inside a ``.tar.gz``, as data sets often come: read without unpacking."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from unrolled.errors import UserError
from unrolled.text.corpus import Record, decoded, hidden, unreadable

_ENDINGS = (".tar.gz", ".tgz", ".tar")


def archive_of(path: Path) -> Path | None:
    """The archive that ``path`` leads into (or is), ``None`` where it leads into none."""
    return next(
        (each for each in (path, *path.parents) if each.name.endswith(_ENDINGS) and each.is_file()), None
    )


def read_archive(archive: Path, folder: str, encoding: str = "utf-8") -> Iterator[Record]:
    """As :func:`unrolled.text.corpus.read_folders`, of a folder within an archive, in the archive's order.

    Raises:
        UserError: the archive is missing or damaged, a text is not valid, or there are none in the folder.
    """
    found = False
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                place = PurePosixPath(member.name)
                if not member.isfile() or str(place.parent.parent) != folder:
                    continue
                if hidden(place) or hidden(place.parent):
                    continue
                found = True
                file = opened.extractfile(member)
                assert file is not None
                path = f"{archive}/{place}"
                yield Record((" ".join(decoded(file, path, encoding)), place.parent.name), path, 1)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        why = str(error).partition("\n")[0].rstrip(":")  # tarfile lists all the forms it tried
        raise UserError(f"{archive}: damaged ({why}): fetch it again") from None
    except OSError as error:
        raise unreadable(archive, error) from None
    if not found:
        raise UserError(
            f"{archive}: has no text files in folders within {folder}: one folder a class is wanted"
        )
