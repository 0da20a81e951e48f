"""The command over a captioner of drawn pictures, hardly trained: what it prints, not what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures need the extra `caption`")

import torch
from PIL import Image
from torch import nn

from unrolled.pictures import Network
from unrolled.training import train

Run = Callable[..., Any]
RECIPE = """
task = "caption"
[data]
train = "captions.tsv"
[pictures]
size = 64
[model]
embedding_size = 4
hidden_size = 6
region_size = 4
[training]
updates = 1
validate_every = 0
tensorboard = false
[decoding]
max_length = 4
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, a file that is none, and a run."""
    network = Network("means", nn.AvgPool2d(32), 3, (127.0,) * 3, (128.0,) * 3)
    monkeypatch.setattr("unrolled.pictures.encoders.make_network", lambda settings: network)
    for name in ("red", "blue"):
        Image.new("RGB", (64, 40), name).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.png").write_text("no picture")
    (tmp_path / "captions.tsv").write_text("red.png\tall of it red\nblue.png\tall of it blue\n")
    (tmp_path / "my.toml").write_text(RECIPE)
    train(tmp_path / "my.toml", tmp_path / "run", progress=False, threads=1)
    return tmp_path


def test_a_blank_line_gets_an_empty_answer(unrolled: Run, world: Path) -> None:
    told = unrolled("predict", world / "run", stdin=f"\n{world / 'red.png'}\n \n")
    assert (told.code, told.err) == (0, "")
    assert [bool(line) for line in told.out.split("\n")] == [False, True, False, False]
    assert unrolled("predict", world / "run", stdin="\n").out == "\n"


def test_a_picture_has_no_length(unrolled: Run, world: Path) -> None:
    told = unrolled("evaluate", world / "run", "--split", "dev", "--by-length")
    assert (told.code, "caption has no scores by source length" in told.err) == (2, True)


def test_runs_that_look_at_copies_of_the_same_pictures_are_compared(
    unrolled: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.replace('train = "captions.tsv"', 'train = "captions.tsv"\ndev = "captions.tsv"')
    runs = []
    for name in ("a", "b"):
        (world / name).mkdir()
        for each in ("red.png", "blue.png", "captions.tsv"):
            (world / name / each).write_bytes((world / each).read_bytes())
        (world / name / "my.toml").write_text(recipe)
        runs.append(train(world / name / "my.toml", world / name / "run", progress=False).task.folder)
    told = unrolled("compare", *runs, "--split", "dev")
    assert (told.code, told.err) == (0, "")


def test_a_line_a_picture(unrolled: Run, world: Path) -> None:
    told = unrolled("caption", world / "run", world / "red.png", world / "blue.png")
    assert (told.code, len(told.lines), told.err) == (0, 2, "")
    assert unrolled("caption", world / "run", world / "blue.png").lines == told.lines[1:]
    assert unrolled("predict", world / "run", stdin=f"{world / 'red.png'}\n").lines == told.lines[:1]
    found = unrolled("caption", world / "run", world / "red.png", world / "blue.png", "--json").json
    assert [each["input"] for each in found] == [str(world / "red.png"), str(world / "blue.png")]
    assert [each["text"] for each in found] == told.lines


def test_nbest_prints_number_score_and_text(unrolled: Run, world: Path) -> None:
    told = unrolled(
        "caption", world / "run", world / "red.png", world / "blue.png", "--nbest", 2, "--beam", 2
    )
    cells = [line.split("\t") for line in told.lines]
    assert [cell[0] for cell in cells] == ["1", "1", "2", "2"]
    assert float(cells[0][1]) >= float(cells[1][1])


def test_runs_vote_together(unrolled: Run, world: Path) -> None:
    alone = unrolled("caption", world / "run", world / "red.png")
    assert unrolled("caption", world / "run", world / "red.png", "--with", world / "run").lines == alone.lines


def test_sheets_are_drawn(unrolled: Run, world: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    told = unrolled(
        "caption", world / "run", world / "red.png", world / "blue.png", "--attention", world / "sheets"
    )
    assert told.code == 0
    assert sorted(path.name for path in (world / "sheets").iterdir()) == ["01-red.png", "02-blue.png"]
    assert told.err.count("wrote") == 2
    pixels = np.asarray(Image.open(world / "sheets/01-red.png").convert("RGB"))
    assert (pixels == (255, 0, 0)).all(2).any(), "the picture itself is on the sheet"


def test_a_bad_picture_is_an_error_or_skipped_with_a_count(unrolled: Run, world: Path) -> None:
    paths = [world / "notes.png", world / "red.png", world / "gone.png"]
    told = unrolled("caption", world / "run", *paths)
    assert (told.code, told.out) == (2, "")
    assert "notes.png: not a picture" in told.err
    told = unrolled("caption", world / "run", *paths, "--skip-bad")
    assert told.code == 0
    assert [bool(line) for line in told.lines] == [False, True, False]
    assert "skipped: " in told.err
    assert "gone.png: no such file" in told.err
    assert "2 of 3 pictures skipped" in told.err
    assert [
        each["input"] for each in unrolled("caption", world / "run", *paths, "--skip-bad", "--json").json
    ] == [str(world / "red.png")]


@pytest.mark.filterwarnings("default:left out:UserWarning")
def test_training_skips_bad_pictures_when_told_to(unrolled: Run, world: Path) -> None:
    with (world / "captions.tsv").open("a") as captions:
        captions.write("notes.png\tnot a picture\n")
    told = unrolled("train", world / "my.toml", "--run", world / "other")
    assert told.code == 2
    assert "captions.tsv:3" in told.err
    assert "--skip-bad" in told.err
    told = unrolled("train", world / "my.toml", "--run", world / "other", "--skip-bad")
    assert told.code == 0, told.err
    assert "warning: left out: " in told.err
    assert "2 pictures; 1 left out" in told.err


def test_vectors_have_no_picture_to_draw_on(unrolled: Run, world: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    np.save(world / "red.npy", torch.rand(2, 4).numpy())
    (world / "captions.tsv").write_text("red.npy\tall of it red\n")
    overrides = ["--set", "pictures.encoder=precomputed", "--set", "pictures.feature_size=4"]
    assert unrolled("train", world / "my.toml", "--run", world / "vectors", *overrides).code == 0
    assert len(unrolled("caption", world / "vectors", world / "red.npy").lines) == 1
    told = unrolled("caption", world / "vectors", world / "red.npy", "--attention", world / "sheets")
    assert told.code == 2
    assert "leave --attention out" in told.err
