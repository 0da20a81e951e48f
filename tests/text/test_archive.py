from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled.errors import UserError
from unrolled.text.archive import archive_of, read_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name, content in [
            ("set/train/pos/1.txt", b"good\nfilm"),
            ("set/train/neg/2.txt", "d\u00e9j\u00e0 vu".encode()),
            ("set/train/notes.txt", b"no label"),
            ("set/test/pos/1.txt", b"fine"),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return path


def test_texts_come_with_the_names_of_their_folders(archive: Path) -> None:
    found = [record.fields for record in read_archive(archive, "set/train")]
    assert found == [("good film", "pos"), ("d\u00e9j\u00e0 vu", "neg")]
    assert next(read_archive(archive, "set/test")).path == f"{archive}/set/test/pos/1.txt"


def test_which_archive_a_path_leads_into(archive: Path, tmp_path: Path) -> None:
    assert archive_of(archive / "set" / "train") == archive
    assert archive_of(tmp_path / "set") is None
    assert archive_of(tmp_path / "other.tar.gz" / "set") is None


def test_mistakes_name_the_archive(archive: Path) -> None:
    with pytest.raises(UserError, match=r"no text files in folders within set/dev: one folder a class"):
        list(read_archive(archive, "set/dev"))
    with pytest.raises(UserError, match=r"2\.txt:1: not valid ASCII"):
        list(read_archive(archive, "set/train", "ascii"))
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(UserError, match=r"set\.tar\.gz: "):
        list(read_archive(archive, "set/train"))


def test_lines_end_as_in_any_file_and_hidden_ones_are_no_texts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as made:
        for name, content in [
            ("set/pos/1.txt", "\ufeffa\u2028b\x0cc\r\nd".encode()),
            ("set/pos/._1.txt", b"\xff"),
            ("set/.ipynb_checkpoints/1.txt", b"old"),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    assert [record.fields for record in read_archive(tmp_path / "a.tar", "set")] == [
        ("a\u2028b\x0cc d", "pos")
    ]


@pytest.mark.parametrize("damage", [lambda whole: whole[:-20], lambda whole: whole[:40] + b"\x00" * 200])
def test_a_damaged_archive_is_told_as_such(archive: Path, damage: Callable[[bytes], bytes]) -> None:
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(UserError, match=r"set\.tar\.gz: damaged \(.+\): fetch it again"):
        list(read_archive(archive, "set/train"))
