from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unrolled.training import train

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A translator trained for a moment."""
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "pairs.tsv").write_text("a b\tB A\nc\tC\nb c a\tA C B\n")
    recipe = folder / "my.toml"
    recipe.write_text(
        'task = "translate"\n[data]\ntrain = "pairs.tsv"\ndev = "pairs.tsv"\n'
        "[model]\nembedding_size = 6\nhidden_size = 8\n[training]\nupdates = 3\n"
    )
    train(recipe, folder / "run", threads=1, progress=False)
    return folder / "run"


def test_alignment_is_a_line_of_pharaoh_pairs_for_each_line(unrolled: Run, run: Path) -> None:
    told = unrolled("inspect", "alignment", run, "-", "--threads", "1", stdin="a b\n\nc\n")
    assert told.code == 0
    assert len(told.lines) == 3
    assert told.lines[1] == ""
    assert all("-" in pair for pair in told.lines[0].split())


def test_answers_can_be_given(unrolled: Run, run: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("a b\nc\n")
    (tmp_path / "answers").write_text("B A\nC\n")
    told = unrolled(
        "inspect", "alignment", run, tmp_path / "texts", "--answers", tmp_path / "answers", "--json"
    )
    assert [each["target"] for each in told.json["alignments"]] == [["B", "A", "</s>"], ["C", "</s>"]]


def test_unknown_characters_are_read_as_the_model_reads_them(unrolled: Run, run: Path) -> None:
    for view in ("alignment", "gates", "gradients", "beam"):
        told = unrolled("inspect", view, run, "--text", "漢 ß", "--answer", "字")
        assert told.code == 0, told.err


@pytest.mark.parametrize("view", ["alignment", "gates", "gradients", "beam"])
def test_each_view_of_a_text_in_every_form(unrolled: Run, run: Path, tmp_path: Path, view: str) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    paths = [tmp_path / f"out.{ending}" for ending in ("html", "svg", "png", "npz")]
    outputs = [part for path in paths for part in ("-o", path)]
    told = unrolled("inspect", view, run, "--text", "a b c", "--answer", "B A", "--json", *outputs)
    assert told.code == 0, told.err
    assert told.json
    for path in paths:
        assert path.stat().st_size > 500
        assert f"wrote {path}" in told.err


def test_gradients_of_several_runs(unrolled: Run, run: Path) -> None:
    told = unrolled("inspect", "gradients", run, "--text", "a b", "--with", run, "--steps", 1, "--json")
    assert len({curve["name"] for curve in told.json["curves"]}) == 1  # the same run twice
    assert unrolled("inspect", "gradients", run, "--text", "a b", "--at", 0).code == 0


def test_errors_and_report(unrolled: Run, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    told = unrolled("inspect", "errors", run, "--limit", 2)
    assert "2 texts of dev" in told.lines[0]
    assert "beam 30, α = 0.7" in told.err
    for view in ("errors", "report"):
        paths = [tmp_path / f"{view}.{ending}" for ending in ("html", "svg", "png", "npz")]
        outputs = [part for path in paths for part in ("-o", path)]
        told = unrolled("inspect", view, run, "--limit", 2, "--json", *outputs)
        assert told.code == 0, told.err
        assert told.json
        assert all(path.stat().st_size > 500 for path in paths)
    assert "<title>run</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gates"], "give the text: either FILE"),
        (["gates", "-", "--text", "a"], "give the text: either FILE"),
        (["gates", "--text", "a", "--answers", "x"], "--answers FILE goes with a file"),
        (
            ["gates", "--text", "a", "--gate", "upd"],
            'encoder.layers.cells.0 "upd"; there are:',
        ),
        (["gates", "--text", "a", "--unit", "99"], "no unit 99"),
        (["gates", "--text", "a", "-o", "x.pdf"], "x.pdf: give a file that ends in"),
        (["report", "--answers", "x"], "give the text: either FILE"),
        (["beam", "-"], "beam looks at one text, not at 2"),
        (["beam", "--text", ""], "beam: no text to look at"),
        (["alignment", "--text", " "], "alignment: no text to look at"),
        (["report", "--text", ""], "report: no text to look at"),
        (["gradients", "--text", "a", "--at", "9"], "nothing is predicted at step 9; the last step is"),
        (["gradients", "--text", "a", "--with", "nowhere"], "nowhere: no such run folder"),
        (["gates", "--text", "a", "--cell", "x"], 'no cell "x"; there are: encoder.layers.cells.0'),
        (["gates", "--text", "a", "-o", "no/x.png"], "the folder no does not exist"),
        (["beam", "--text", "a", "--beam", "0"], "--beam"),
        (["errors", "--split", "tset"], "tset"),
    ],
)
def test_mistakes_are_one_line(unrolled: Run, run: Path, arguments: list[str], says: str) -> None:
    told = unrolled("inspect", arguments[0], run, *arguments[1:], stdin="a\nb\n")
    assert told.code == 2
    assert says in told.err
    assert told.err.count("\n") == 1


def test_a_task_without_views_says_so(unrolled: Run, fake_run: Callable[..., Path]) -> None:
    told = unrolled("inspect", "alignment", fake_run(), "--text", "a")
    assert told.code == 2
    assert "it has no views" in told.err


def test_json_is_one_document(unrolled: Run, run: Path) -> None:
    told = unrolled("inspect", "gates", run, "--text", "a b", "--gate", "forget", "--unit", 1, "--json")
    (shown,) = json.loads(told.out)["shown"]
    assert (shown["name"], shown["unit"], shown["tokens"]) == ("forget", 1, ["a", "b", "</s>"])
    assert len(shown["values"]) == 3
