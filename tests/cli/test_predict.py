from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("verb", ["translate", "classify", "tag"])
def test_predict_does_what_the_run_is_for(
    verb: str, unrolled: Callable[..., Any], fake_run: Callable[..., Path]
) -> None:
    run = fake_run(verb)
    assert unrolled("predict", run, stdin="a\n\n").lines == ["A", ""]
    assert [each["text"] for each in unrolled("predict", run, "--json", stdin="a\n").json] == ["A"]


@pytest.mark.parametrize("verb", ["translate", "classify"])
def test_the_seed_is_handed_on(
    verb: str, unrolled: Callable[..., Any], fake_run: Callable[..., Path]
) -> None:
    run = fake_run(verb)
    assert unrolled("predict", run, "--seed", 7, stdin="a\n").lines == ["A"]
    assert json.loads((run / "options.json").read_text()) == {"seed": 7}


def test_a_line_that_cannot_be_answered_costs_the_others_nothing(
    unrolled: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("the cat sat\na dog ran\n" * 10)
    for task, extra in {
        "embed": "[text]\nmin_count = 1\n[model]\ndimensions = 4\n[training]\n",
        "language-model": "dev_size = 40\n[model]\nembedding_size = 4\nhidden_size = 4\n[training]\n"
        "columns = 2\nwindow = 5\n",
    }.items():
        recipe, run = tmp_path / f"{task}.toml", tmp_path / task
        recipe.write_text(
            f'task = "{task}"\n[data]\ntrain = "text.txt"\n{extra}updates = 1\ntensorboard = false\n'
        )
        assert unrolled("train", recipe, "--run", run).code == 0
        told = unrolled("predict", run, "--json", stdin="cat\nzebras\ndog\n")
        assert told.code == 0
        assert [each["input"] for each in told.json] == ["cat", "zebras", "dog"]
        assert ["problem" in each for each in told.json] == [False, True, False]
        assert told.err.startswith("unrolled: warning: standard input:2: ")
        assert told.err.endswith("; its answer is empty\n")


def test_an_array_is_closed_when_an_error_ends_it(
    unrolled: Callable[..., Any], fake_run: Callable[..., Path]
) -> None:
    told = unrolled("predict", fake_run(), "--json", stdin=b"a\n\xff\n")
    assert told.code == 2
    assert [each["text"] for each in told.json] == ["A"]
