from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_run_against_itself_differs_in_nothing(
    unrolled: Callable[..., Any], fake_run: Callable[..., Path]
) -> None:
    run = fake_run()
    found = unrolled("compare", run, run, "--json").json["scores"]["bleu"]
    assert found["difference"] == 0
    assert found["first"] == found["second"]
    assert (found["low"], found["high"]) == (0, 0)
    assert found["signature"].startswith("BLEU|")


def test_a_table_with_both_values_and_p(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    told = unrolled("compare", fake_run(), fake_run(name="other"), "--split", "dev")
    assert told.code == 0
    assert told.lines[0] == "on dev"
    assert told.lines[2].split()[0] == "BLEU"


def test_runs_of_different_tasks_are_refused(
    unrolled: Callable[..., Any], fake_run: Callable[..., Path]
) -> None:
    told = unrolled("compare", fake_run(), fake_run("classify", "other"))
    assert told.code == 2
    assert "classify" in told.err
