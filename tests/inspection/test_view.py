from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unrolled.errors import RunError, UserError
from unrolled.inspection import Alignment, check_output, write
from unrolled.inspection.alignment import Alignments
from unrolled.inspection.view import Picture, _write_arrays

VIEW = Alignments([Alignment(["<b>", "</s>"], ["ü", "</s>"], np.array([[0.9, 0.1], [0.0, 1.0]]))] * 2)


def test_the_ending_says_what_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    assert write(VIEW, tmp_path / "a.html") == [tmp_path / "a.html"]
    assert "&lt;b&gt;" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert write(VIEW, tmp_path / "a.png") == [tmp_path / "a.png", tmp_path / "a-2.png"]
    assert (tmp_path / "a-2.png").read_bytes().startswith(b"\x89PNG")
    write(VIEW, tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_a_caption_is_a_files_title(tmp_path: Path) -> None:
    drawn: list[dict[str, object]] = []
    view = Alignments([])
    picture = Picture("alt", lambda **options: drawn.append(options), "what it shows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Alignments, "pictures", lambda self: [picture, Picture("", picture.draw)])
        write(view, tmp_path / "a.svg")
    assert drawn == [
        {"path": tmp_path / "a.svg", "title": "what it shows"},
        {"path": tmp_path / "a-2.svg"},
    ]


def test_arrays_come_back_without_pickles(tmp_path: Path) -> None:
    write(VIEW, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["1/weights"], VIEW.items[0].weights)
        assert found["0/target"].tolist() == ["ü", "</s>"]


def test_a_wrong_place_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.pdf: give a file that ends in \.png, \.svg, \.html, \.npz"):
        check_output(tmp_path / "a.pdf")
    with pytest.raises(UserError, match="does not exist; create it first"):
        check_output(tmp_path / "no" / "a.npz")
    (tmp_path / "dir.npz").mkdir()
    with pytest.raises(UserError, match=r"dir\.npz: is a folder"):
        check_output(tmp_path / "dir.npz")


def test_a_full_disk_is_an_error_of_the_run() -> None:
    with pytest.raises(RunError, match=r"cannot write"):
        _write_arrays(Path("/dev/full"), VIEW.arrays())
