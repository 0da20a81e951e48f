from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_tag(unrolled: Callable[..., Any], fake_run: Callable[..., Path], tmp_path: Path) -> None:
    run = fake_run("tag")
    (tmp_path / "in.txt").write_text("a b\n\nc\n")
    assert unrolled("tag", run, tmp_path / "in.txt").lines == ["A B", "", "C"]
    assert [each["input"] for each in unrolled("tag", run, "--json", stdin="a b\n").json] == ["a b"]


def test_tag_refuses_another_run(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    told = unrolled("tag", fake_run("generate"), stdin="a\n")
    assert told.code == 2
    assert "unrolled generate" in told.err
