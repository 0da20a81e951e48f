from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Make = Callable[..., Path]


def test_a_line_out_for_each_line_in_and_an_empty_one_for_an_empty_one(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    told = unrolled("translate", run, stdin="été\n\nb c")
    assert (told.code, told.out, told.err) == (0, "ÉTÉ\n\nB C\n", "")


def test_from_a_file(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\nb\n")
    assert unrolled("translate", fake_run(), tmp_path / "in.txt").lines == ["A", "B"]


def test_only_settings_that_are_given_reach_the_translator(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    unrolled("translate", run, stdin="a\n")
    assert json.loads((run / "options.json").read_text()) == {}
    unrolled("translate", run, "--beam", 5, "--length-penalty", 0, "--nbest", 2, stdin="a\n")
    assert json.loads((run / "options.json").read_text()) == {"beam": 5, "length_penalty": 0.0, "nbest": 2}


def test_what_is_drawn_is_the_translators_to_draw(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    given = ("--samples", 2, "--temperature", 0.5, "--top-k", 9, "--top-p", 0.9, "--seed", 4)
    unrolled("translate", run, *given, stdin="a\n")
    assert json.loads((run / "options.json").read_text()) == {
        "samples": 2,
        "temperature": 0.5,
        "top_k": 9,
        "top_p": 0.9,
        "seed": 4,
    }


def test_nbest_prints_line_number_score_and_text(unrolled: Run, fake_run: Make) -> None:
    told = unrolled("translate", fake_run(), "--nbest", 2, stdin="a\nb\n")
    assert told.lines == ["1\t-0.0000\tA 0", "1\t-1.0000\tA 1", "2\t-0.0000\tB 0", "2\t-1.0000\tB 1"]


def test_the_recipe_may_want_several(unrolled: Run, fake_run: Make) -> None:
    assert unrolled("translate", fake_run(several=True), stdin="a\n").lines == ["1\t-0.5000\tA"]


def test_a_model_without_attention_has_none_to_draw(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    run = fake_run(attends=False)
    told = unrolled("translate", run, "--attention", tmp_path / "a.png", stdin="a\n")
    assert (told.code, told.out) == (2, "")
    assert 'was trained with attention = "none": leave --attention out' in told.err


@pytest.mark.parametrize(("stdin", "texts"), [("", []), ("a\n", ["A"]), ("a\n\nb\n", ["A", "", "B"])])
def test_json_is_one_array(stdin: str, texts: list[str], unrolled: Run, fake_run: Make) -> None:
    told = unrolled("translate", fake_run(), "--json", stdin=stdin)
    assert [each["text"] for each in told.json] == texts
    assert all(set(each) == {"input", "text", "score"} for each in told.json)


def test_runs_vote_together(unrolled: Run, fake_run: Make) -> None:
    told = unrolled("translate", fake_run(), "--with", fake_run(name="other"), stdin="a\n")
    assert told.lines == ["A"]


def test_attention_is_drawn_for_each_line_that_has_words(
    unrolled: Run, fake_run: Make, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    told = unrolled("translate", fake_run(), "--attention", tmp_path / "a.svg", stdin="un été\n\nb c\n")
    assert told.lines == ["UN ÉTÉ", "", "B C"]
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == ["a-3.svg", "a.svg"]
    assert "wrote" in told.err


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(
    unrolled: Run, fake_run: Make, tmp_path: Path
) -> None:
    run = fake_run()
    told = unrolled("translate", run, "--attention", tmp_path / "a.gif", stdin="a\n")
    assert told.code == 2
    assert "give a file that ends in .png, .svg" in told.err
    assert not (run / "loaded.json").exists()


def test_another_tasks_run_says_which_verb_fits(unrolled: Run, fake_run: Make) -> None:
    run = fake_run("classify")
    told = unrolled("translate", run, stdin="a\n")
    assert told.code == 2
    assert f"unrolled classify {run}" in told.err
    assert not (run / "loaded.json").exists()


def test_bounds_and_unknown_words(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    options = ("--min-length", "2", "--max-length", "5", "--replace-unknown")
    assert unrolled("translate", run, *options, stdin="a\n").code == 0
    given = json.loads((run / "options.json").read_text())
    assert given == {"min_length": 2, "max_length": 5, "replace_unknown": True}
