from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run, Make = Callable[..., Any], Callable[..., Path]


def test_tag_writes_columns(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    run = fake_run("tag")
    (tmp_path / "in.txt").write_text("a b\n\nc\n")
    assert unrolled("tag", run, tmp_path / "in.txt").lines == ["a\tA", "b\tB", "", "", "c\tC", ""]
    assert [each["input"] for each in unrolled("tag", run, "--json", stdin="a b\n").json] == ["a b"]


def test_tag_reads_columns(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    run = fake_run("tag")
    assert unrolled("tag", run, "--format", "columns", stdin="a X\n").lines == ["a X columns"]
    (tmp_path / "in.conllu").write_text("1\ta\n")
    assert unrolled("tag", run, tmp_path / "in.conllu").lines == ["1\ta conllu"]
    told = unrolled("tag", run, "--json", tmp_path / "in.conllu")
    assert told.code == 2
    assert "--json needs text" in told.err


def test_tag_refuses_another_run(unrolled: Run, fake_run: Make) -> None:
    told = unrolled("tag", fake_run("generate"), stdin="a\n")
    assert told.code == 2
    assert "unrolled generate" in told.err
