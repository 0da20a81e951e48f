from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_classify(unrolled: Callable[..., Any], fake_run: Callable[..., Path], tmp_path: Path) -> None:
    run = fake_run("classify")
    (tmp_path / "in.txt").write_text("a b\n\nc\n")
    assert unrolled("classify", run, tmp_path / "in.txt").lines == ["A B", "", "C"]
    assert [each["input"] for each in unrolled("classify", run, "--json", stdin="a b\n").json] == ["a b"]


def test_classify_refuses_another_run(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    told = unrolled("classify", fake_run("generate"), stdin="a\n")
    assert told.code == 2
    assert "unrolled generate" in told.err


def test_files_follow_one_another(unrolled: Any, fake_run: Any, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(f"{name}\n")
    run = fake_run("classify")
    assert unrolled("classify", run, tmp_path / "a", tmp_path / "b").lines == ["A", "B"]
    run = fake_run("tag", name="tagger")
    assert unrolled("tag", run, tmp_path / "b", tmp_path / "a").lines == ["b\tB", "", "a\tA", ""]
