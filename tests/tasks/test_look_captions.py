from __future__ import annotations

import json
from pathlib import Path

import pytest

from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks.look_captions import caption


def write(folder: Path) -> tuple[Path, Path]:
    (folder / "photos").mkdir()
    path = folder / "captions.tsv"
    path.write_text("".join(f"{n}.jpg#{i}\tA dog runs , {i} .\n" for n in range(30) for i in range(2)))
    return path, folder / "photos"


def test_captions_and_a_folder(tmp_path: Path) -> None:
    captions, photos = write(tmp_path)
    text = caption([photos, captions])
    (tmp_path / "my.toml").write_text(text)
    data = Recipe.read(tmp_path / "my.toml").sections.data
    assert (data.images, data.train, data.captions) == (str(photos), str(captions), None)
    assert (data.dev_size, data.test_size) == (3, 3)
    assert "30 pictures with 60 captions" in text
    assert '"A dog runs , 0 ."' in text


def test_files_of_names_are_parts(tmp_path: Path) -> None:
    captions, photos = write(tmp_path)
    names = [tmp_path / f"Flickr_8k.{part}Images.txt" for part in ("train", "dev", "test")]
    for each in names:
        each.write_text("".join(f"{n}.jpg\n" for n in range(20)))
    (tmp_path / "my.toml").write_text(caption([captions, photos, *names]))
    data = Recipe.read(tmp_path / "my.toml").sections.data
    assert (data.captions, data.train, data.dev, data.test) == (str(captions), *map(str, names))
    assert (data.dev_size, data.test_size) == (0, 0)
    (tmp_path / "my.toml").write_text(caption([captions, photos, names[0]]))
    assert Recipe.read(tmp_path / "my.toml").sections.data.dev_size == 2  # of the 20 that are named


def test_coco(tmp_path: Path) -> None:
    _, photos = write(tmp_path)
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(3)],
        "annotations": [{"image_id": number, "caption": "a dog"} for number in range(3)],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    assert "3 pictures with 3 captions" in caption([tmp_path / "coco.json", photos])


def test_pictures_without_captions_are_too_few(tmp_path: Path) -> None:
    captions, photos = write(tmp_path)
    (tmp_path / "train.txt").write_text("a.jpg\nb.jpg\n")
    with pytest.raises(UserError, match="0 pictures to learn from: too few"):
        caption([captions, photos, tmp_path / "train.txt"])


def test_other_files_are_refused(tmp_path: Path) -> None:
    captions, photos = write(tmp_path)
    for paths in (
        [captions],
        [photos],
        [captions, photos, tmp_path / "others.txt"],
        [captions, photos, photos],
    ):
        with pytest.raises(UserError, match="caption needs a captions file"):
            caption(paths)
    with pytest.raises(UserError, match="which are for training"):
        caption([captions, photos, tmp_path / "dev.txt"])
    (tmp_path / "empty.tsv").write_text("\n")
    with pytest.raises(UserError, match="no captions"):
        caption([tmp_path / "empty.tsv", photos])
