from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unrolled.errors import UserError
from unrolled.text import CaptionCorpus, CaptionData
from unrolled.text.captions import read_captions, without_punctuation


def corpus(folder: Path, **options: Any) -> CaptionCorpus:
    return CaptionCorpus(CaptionData(root=str(folder), **{"train": "captions.tsv", **options}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [f"{n}.jpg#{i}\tPicture {n} , caption {i} .\n" for n in range(10) for i in range(3)]
    (tmp_path / "captions.tsv").write_text("".join(lines) + "\n")
    return tmp_path


def test_flickrs_form_and_the_plain_one(folder: Path) -> None:
    (folder / "plain.tsv").write_text("a#b.jpg\tone\nsub/c.jpg\ttwo\twith a tab\n")
    assert [r.fields for r in read_captions(folder / "plain.tsv")] == [
        ("a#b.jpg", "one"),
        ("sub/c.jpg", "two\twith a tab"),
    ]
    first = next(read_captions(folder / "captions.tsv"))
    assert (first.fields, first.line) == (("0.jpg", "Picture 0 , caption 0 ."), 1)


def test_cocos_form(folder: Path) -> None:
    content = {
        "info": {},
        "images": [{"id": 7, "file_name": "x.jpg", "width": 1}, {"id": 3, "file_name": "y.jpg"}],
        "annotations": [{"image_id": 3, "id": 1, "caption": "A\ncat "}, {"image_id": 7, "caption": "a dog"}],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    found = [(r.fields, r.line) for r in read_captions(folder / "coco.json")]
    assert found == [(("y.jpg", "A cat"), 1), (("x.jpg", "a dog"), 2)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.tsv", "x.jpg\tone\nno tab\n", r"a\.tsv:2: a picture, a tab and a caption"),
        ("a.tsv", "x.jpg\t \n", r"a\.tsv:1: a picture, a tab"),
        ("a.tsv", "\tone\n", r"a\.tsv:1: a picture, a tab"),
        ("a.json", "{\n", r"a\.json:\d: not JSON"),
        ("a.json", "[]", "not captions in COCO's form"),
        ("a.json", '{"images": [{"id": 1}], "annotations": []}', "COCO's form.*file_name"),
        (
            "a.json",
            '{"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}',
            "annotation 1 is of image 1",
        ),
    ],
)
def test_mistakes_name_their_place(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=says):
        list(read_captions(tmp_path / name))


def test_parts_are_held_out_by_picture(folder: Path) -> None:
    found = corpus(folder, dev_size=2, test_size=3)
    pictures = {part: {record.fields[0] for record in found.read(part)} for part in found.parts()}
    assert {part: len(names) for part, names in pictures.items()} == {"train": 5, "dev": 2, "test": 3}
    assert len(set.union(*pictures.values())) == 10
    segments = found.segments("dev")
    assert [len(segment.references) for segment in segments] == [3, 3]


def test_lists_of_names_choose_parts(folder: Path) -> None:
    (folder / "train.txt").write_text("3.jpg\n1.jpg\n\n")
    (folder / "test.txt").write_text("7.jpg\tignored\n")
    found = corpus(folder, captions="captions.tsv", train="train.txt", test="test.txt")
    assert found.parts() == ["train", "test"]
    assert [r.fields[0] for r in found.read("train")] == ["1.jpg"] * 3 + ["3.jpg"] * 3
    assert {name: record.line for name, record in found.pictures().items()} == {
        "1.jpg": 4,
        "3.jpg": 10,
        "7.jpg": 22,
    }
    assert list(found.without_captions()) == []
    (folder / "test.txt").write_text("7.jpg\n99.jpg\n")
    assert list(found.without_captions()) == [("99.jpg", f"{folder / 'test.txt'}:2")]


def test_pictures_that_are_left_out_are_in_no_part(folder: Path) -> None:
    found = corpus(folder)
    found.left_out = {"0.jpg", "9.jpg"}
    assert {r.fields[0] for r in found.read("train")} == {f"{n}.jpg" for n in range(1, 9)}
    found.left_out = {f"{n}.jpg" for n in range(10)}
    with pytest.raises(UserError, match=r"no captions for data\.train"):
        list(found.read("train"))


def test_punctuation_goes_from_training_and_references_alike(folder: Path) -> None:
    found = corpus(folder, dev_size=1, punctuation="remove")
    assert next(found.read("train")).fields[1].startswith("Picture")
    assert all("," not in reference for reference in found.segments("dev")[0].references)
    assert without_punctuation("A dog 's  t-shirt , “red” & $5 …") == "A dog s tshirt red 5"
