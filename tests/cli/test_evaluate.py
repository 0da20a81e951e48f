from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Make = Callable[..., Path]


def test_scores_with_interval_and_signature_are_printed_and_kept(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    told = unrolled("evaluate", run)
    assert told.code == 0
    assert f"{run} on test" in told.lines[0]
    assert told.lines[2].startswith("BLEU")
    assert " to " in told.lines[2]
    assert told.lines[3].startswith("BLEU|nrefs:1|")
    kept = json.loads((run / "scores.json").read_text())["test"]["bleu"]
    assert kept == unrolled("evaluate", run, "--json").json["scores"]["bleu"]


def test_another_split(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    assert unrolled("evaluate", run, "--split", "dev", "--json").json["split"] == "dev"
    told = unrolled("evaluate", run, "--split", "tset")
    assert told.code == 2
    assert "tset" in told.err


def test_by_length(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    run = fake_run()
    told = unrolled("evaluate", run, "--by-length")
    assert "over 3" in told.out
    assert "40.00 to 60.00" in told.out
    assert "by_length" not in unrolled("evaluate", run, "--json").json["scores"]["bleu"]["details"]
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    assert unrolled("evaluate", run, "--plot", tmp_path / "a.svg").code == 0
    assert (tmp_path / "a.svg").stat().st_size > 1000


def test_confusion(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    told = unrolled("evaluate", fake_run("classify"), "--confusion", tmp_path / "a.svg")
    assert told.code == 0
    assert (tmp_path / "a.svg").stat().st_size > 1000
    told = unrolled("evaluate", fake_run(name="other"), "--confusion", tmp_path / "b.svg")
    assert told.code == 2
    assert "other: this task has no labels that could be confused: leave --confusion out" in told.err


def test_an_ensembles_scores_are_not_kept_as_the_runs_own(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    other = fake_run(name="other")
    told = unrolled("evaluate", run, "--with", other)
    assert (told.code, told.lines[0]) == (0, f"{run} + {other} on test")
    assert not (run / "scores.json").exists()
    found = unrolled("evaluate", run, "--with", other, "--json").json
    assert (found["run"], found["with"]) == (str(run), [str(other)])


def test_scores_of_weights_that_training_replaced_meanwhile_are_not_kept(
    unrolled: Run, fake_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run()
    load = importlib.import_module("unrolled.runs.load")
    opened = load.load

    def replaced(*given: Any, **options: Any) -> Any:
        found = opened(*given, **options)
        (run / "model.safetensors").touch()
        return found

    monkeypatch.setattr(load, "load", replaced)
    told = unrolled("evaluate", run)
    assert told.code == 0
    assert "training changed the weights meanwhile" in told.err
    assert not (run / "scores.json").exists()


def test_what_the_recipe_wants_shown(unrolled: Run, fake_run: Make) -> None:
    run = fake_run(shows=True)
    told = unrolled("evaluate", run)
    assert [line.split() for line in told.lines[-4:]] == [
        ["a", "b", "score"],
        ["1", "best", "A", "B", "-0.500"],
        ["2", "best", "A", "-1.000"],
        ["given", "C", "-2.500"],
    ]
    shown = unrolled("evaluate", run, "--json").json["examples"]
    assert shown == [{"text": "a b", "answers": [["A B", -0.5], ["A", -1.0]], "given": [["C", -2.5]]}]


def test_scores_are_shown_even_where_they_cannot_be_kept(
    unrolled: Run, fake_run: Make, refuse: Callable[[str], None]
) -> None:
    refuse("unrolled.runs.folder.RunFolder.write_scores")
    told = unrolled("evaluate", fake_run())
    assert told.code == 1
    assert "Read-only file system" in told.err
    assert told.lines[2].startswith("BLEU")


def test_scores_are_kept_before_a_picture_fails(
    unrolled: Run, fake_run: Make, tmp_path: Path, refuse: Callable[[str], None]
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    refuse("unrolled.drawing.draw_confusion")
    run = fake_run("classify")
    assert unrolled("evaluate", run, "--confusion", tmp_path / "a.svg").code == 1
    assert "accuracy" in json.loads((run / "scores.json").read_text())["test"]
