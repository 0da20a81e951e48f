from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unrolled.errors import UserError
from unrolled.text.plain import PlainCorpus
from unrolled.text.settings import PlainData

Make = Callable[..., PlainCorpus]


@pytest.fixture
def corpus(tmp_path: Path) -> Make:
    def make(**data: Any) -> PlainCorpus:
        return PlainCorpus(PlainData(root=str(tmp_path), **data))

    return make


def texts(corpus: PlainCorpus, part: Any = "train") -> list[str]:
    return [record.fields[0] for record in corpus.read(part)]


def test_of_a_stream_dev_is_the_beginning_and_test_the_end(corpus: Make, tmp_path: Path) -> None:
    lines = [f"line {number:04}" for number in range(1000)]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    made = corpus(train="a.txt", dev_size=0.05, test_size=0.1)
    assert texts(made, "dev") + texts(made) + texts(made, "test") == lines
    assert (len(texts(made, "dev")), len(texts(made, "test"))) == (50, 100)
    counted = corpus(train="a.txt", test_size=95)  # a line of ten characters that begins before the border
    assert texts(counted, "test") == lines[-9:]
    assert made.parts() == ["train", "dev", "test"]
    assert counted.parts() == ["train", "test"]
    assert made.bytes("train") == 10_000


def test_lines_are_held_out_by_what_they_say(corpus: Make, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("".join(f"n{number % 200}\n" for number in range(400)))
    made = corpus(train="names", form="lines", dev_size=20, test_size=0.2)
    parts = [set(texts(made, part)) for part in ("train", "dev", "test")]
    assert list(map(len, parts)) == [140, 20, 40]
    assert len(set.union(*parts)) == 200


def test_files_follow_each_other_and_a_folder_is_its_files(corpus: Make, tmp_path: Path) -> None:
    (tmp_path / "all" / "deep").mkdir(parents=True)
    (tmp_path / "all" / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "all" / "deep" / "b.txt").write_text("three\n")
    assert texts(corpus(train="all")) == ["one", "two", "three"]
    assert texts(corpus(train=("all/deep/b.txt", "all/a.txt"))) == ["three", "one", "two"]
    assert texts(corpus(train="all", form="documents")) == ["one\ntwo", "three"]


def test_rows_of_jsonl_are_documents_or_their_lines(corpus: Make, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"body": t}) + "\n" for t in ("one\ntwo", "three")))
    assert texts(corpus(train="a.jsonl", column="body", form="documents")) == ["one\ntwo", "three"]
    assert texts(corpus(train="a.jsonl", column="body")) == ["one", "two", "three"]


def test_python_source_needs_no_data(corpus: Make) -> None:
    made = corpus(train="python-source", form="documents", dev_size=20, test_size=20)
    dev, test = set(texts(made, "dev")), set(texts(made, "test"))
    assert (len(dev), len(test), len(dev & test)) == (20, 20, 0)
    assert made.bytes("train") is None


def test_mistakes_name_the_place(corpus: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "short.txt").write_text("ab\n")
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\n")
    for data, says in (
        ({"train": "missing.txt"}, "missing.txt: no such file"),
        ({"train": "empty"}, "there is no file in this folder"),
        ({"train": "bad.txt"}, "bad.txt:2: not valid UTF-8"),
        ({"train": "bad.txt", "form": "documents"}, "bad.txt:2: not valid UTF-8"),
        ({"train": "short.txt", "dev_size": 2, "test_size": 1}, "leave nothing to train on"),
        ({"train": "python-sorce"}, "did you mean 'python-source'"),
    ):
        with pytest.raises(UserError, match=says):
            texts(corpus(**data))
    with pytest.raises(UserError, match=r"no dev part.*data\.dev_size"):
        texts(corpus(train="short.txt"), "dev")


def test_a_stream_without_line_ends_says_why_a_part_is_empty(corpus, tmp_path):
    (tmp_path / "one.txt").write_text("a long line " * 50)
    with pytest.raises(UserError, match=r"one\.txt: no texts .*: a stream is divided between its lines"):
        texts(corpus(train="one.txt", form="stream", dev_size=0.1))


def test_texts_within_an_archive(corpus: Make, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as made:
        for name, content in [
            ("set/pos/1.txt", b"good\nfilm"),
            ("set/neg/2.txt", b"no"),
            ("set/notes", b"x"),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    made = corpus(train="set.tar.gz/set")
    assert texts(made) == ["good film", "no"]
    assert texts(corpus(train="set.tar.gz/set", form="documents", dev_size=1)) in (["good film"], ["no"])


def test_hidden_files_and_folders_are_no_texts(tmp_path):
    for name in ("texts/a.txt", "texts/.DS_Store", "texts/.git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"good" if name == "texts/a.txt" else b"\xff")
    data = PlainData(train=str(tmp_path / "texts"))
    assert [record.fields for record in PlainCorpus(data).read("train")] == [("good",)]
