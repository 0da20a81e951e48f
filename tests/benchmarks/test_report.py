from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from benchmarks.__main__ import SUBJECTS
from benchmarks.peer import ROOT
from benchmarks.report import Goal, Report, commit, merge, worst


def report(measured: float) -> Report:
    return Report([Goal("work", "× peer", measured, 2)], ["row", "ms"], [["a", f"{measured}"]], ["a note"])


def test_a_goal_is_met_by_its_bound_or_by_the_machine() -> None:
    assert Goal("w", "g", 2.0, 2).met
    assert not Goal("w", "g", 1.9, 2).met
    assert Goal("w", "g", 1.9, 2, peak_share=0.9).met
    assert Goal("w", "ms", 20, 20, at_most=True).met
    assert not Goal("w", "ms", 21, 20, at_most=True).met


def test_the_worst_row_is_one_that_the_machine_does_not_excuse() -> None:
    (goal,) = worst("w", "g", [("at the limit", 0.5, 0.95), ("slow", 0.8, 0.4), ("fast", 3.0, 0.4)], 1)
    assert (goal.where, goal.met) == ("slow", False)
    assert worst("w", "g", [], 1) == []


def test_a_partial_run_replaces_its_own_section_alone() -> None:
    order = ["First", "Second"]
    both = merge("", {"Second": (report(3), "machine A"), "First": (report(1), "machine A")}, order)
    again = merge(both, {"First": (report(2.5), "machine B")}, order)
    assert both.index("## First") < both.index("## Second")
    assert "| First | work | × peer | ≥ 2 | 1.00 | **short** |" in both
    assert "| First | work | × peer | ≥ 2 | 2.50 | pass |" in again
    assert "**short**" not in again
    assert again.count("| Second | work |") == 1
    assert "machine B" in again[again.index("## First") : again.index("## Second")]
    assert again[again.index("## Second") :] == both[both.index("## Second") :]
    assert merge(again, {}, order) == again


@pytest.mark.parametrize("name", ["RESULTS.md", "RESULTS-avx2.md"])
def test_the_files_are_as_they_are_written(name: str) -> None:
    text = (ROOT / "benchmarks" / name).read_text(encoding="utf-8")
    assert merge(text, {}, list(SUBJECTS.values())) == text


def test_a_section_that_comes_last_later_stands_apart() -> None:
    first = merge("", {"First": (report(1), "machine A")}, ["First", "Second"])
    both = merge(first, {"Second": (report(3), "machine A")}, ["First", "Second"])
    assert "- a note\n\n## Second\n" in both


def test_what_is_measured_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # of a hook that runs the tests
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == ""

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)

    (tmp_path / "benchmarks").mkdir()
    results, kernel = tmp_path / "benchmarks" / "RESULTS-avx2.md", tmp_path / "kernel.cpp"
    results.write_text("figures")
    kernel.write_text("fast")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    results.write_text("other figures")
    (tmp_path / "noise.txt").write_text("")
    assert re.fullmatch(", commit [0-9a-f]{7,}", commit(tmp_path))
    kernel.write_text("faster")
    assert re.fullmatch(", commit [0-9a-f]{7,} with changes", commit(tmp_path))
