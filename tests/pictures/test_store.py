from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.errors import RunError, UserError
from unrolled.pictures import BadPicture, FeatureStore, Precomputed, Regions


class Counting(Precomputed):
    """Counts what it encodes; a file is its text, a number: that many rows of two regions, all of it."""

    def __init__(self, feature_size: int = 3) -> None:
        super().__init__(feature_size)
        self.encoded = 0

    def read(self, data: bytes, path: str | Path) -> Any:
        if not data.isdigit():
            raise BadPicture(f"{path}: no number")
        return np.full((int(data), 2, self.feature_size), int(data), dtype=np.float32)

    def encode(self, pictures: Sequence[Any]) -> list[Regions]:
        self.encoded += len(pictures)
        return super().encode(pictures)


def files(folder: Path, *contents: str) -> list[Path]:
    paths = [folder / f"{index}.txt" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content)
    return paths


def test_each_content_is_encoded_once(tmp_path: Path) -> None:
    encoder = Counting()
    store = FeatureStore(tmp_path / "store", encoder)
    paths = files(tmp_path, "1", "2", "1", "3")
    assert store.add(paths) == [0, 1, 0, 2]
    assert encoder.encoded == len(store) == 3
    # Under another name, and by another opening of the same folder.
    again = FeatureStore(tmp_path / "store", encoder)
    assert again.add(reversed(paths)) == [2, 0, 1, 0]
    assert encoder.encoded == 3
    for row, number in enumerate((1, 2, 3)):
        found = again[row]
        assert (found.rows, found.columns, found.vectors.dtype) == (number, 2, np.float16)
        assert (found.vectors == number).all()
    assert not isinstance(again[0].vectors, np.ndarray) or again[0].vectors.base is not None  # mapped


def test_progress_counts_pictures(tmp_path: Path) -> None:
    seen: list[int] = []
    FeatureStore(tmp_path / "store", Counting()).add(files(tmp_path, *["1"] * 70), progress=seen.append)
    assert seen == [32, 64, 70]


def test_bad_pictures_are_an_error_or_told_of(tmp_path: Path) -> None:
    paths = [*files(tmp_path, "1", "x", "2"), tmp_path / "missing.jpg", tmp_path]
    store = FeatureStore(tmp_path / "store", Counting())
    with pytest.raises(BadPicture, match=r"1\.txt: no number"):
        store.add(paths)
    told: list[tuple[int, str]] = []
    assert store.add(paths, bad=lambda place, error: told.append((place, str(error)))) == [
        0,
        None,
        1,
        None,
        None,
    ]
    assert told == [
        (1, f"{tmp_path}/1.txt: no number"),
        (3, f"{tmp_path}/missing.jpg: no such file"),
        (4, f"{tmp_path}: Is a directory"),
    ]


@pytest.mark.parametrize("cut", ["vectors", "index"])
def test_an_interrupted_pass_goes_on(tmp_path: Path, cut: str) -> None:
    paths = files(tmp_path, "1", "2", "3")
    store = FeatureStore(tmp_path / "store", Counting())
    store.add(paths[:2])
    if cut == "vectors":  # written, but not yet entered in the index
        with (tmp_path / "store" / "vectors").open("ab") as file:
            file.write(b"\1" * 5)
    else:  # entered by half
        with (tmp_path / "store" / "index.jsonl").open("a") as file:
            file.write('["abc')
    encoder = Counting()
    again = FeatureStore(tmp_path / "store", encoder)
    assert again.add(paths) == [0, 1, 2]
    assert encoder.encoded == 1
    assert [float(again[row].vectors.mean()) for row in range(3)] == [1, 2, 3]
    assert len(FeatureStore(tmp_path / "store", encoder)) == 3


def test_another_encoders_vectors_and_damage_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    FeatureStore(folder, Counting()).add(files(tmp_path, "4"))
    with pytest.raises(UserError, match=r"holds vectors of .*delete it"):
        FeatureStore(folder, Counting(5))
    (folder / "vectors").write_bytes(b"")
    with pytest.raises(UserError, match="vectors are missing"):
        FeatureStore(folder, Counting())
    (folder / "index.jsonl").write_text("nonsense\n")
    with pytest.raises(UserError, match="damaged"):
        FeatureStore(folder, Counting())
    (folder / "encoder.json").write_text(json.dumps({}))
    (folder / "index.jsonl").unlink()
    with pytest.raises(UserError, match="damaged"):
        FeatureStore(folder, Counting())


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore(tmp_path / "store", Counting())
    paths = files(tmp_path, "1")
    whole = Path.open

    def full(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if "a" in mode:
            raise OSError(28, "No space left on device")
        return whole(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunError, match="No space left on device"):
        store.add(paths)
