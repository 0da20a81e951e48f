from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "source").write_text("un\ndeux\n")
    (tmp_path / "target").write_text("one\nthree\n")
    return tmp_path / "source", tmp_path / "target"


def test_pairs(unrolled: Callable[..., Any], fake_run: Callable[..., Path], files: tuple[Path, Path]) -> None:
    source, target = files
    run = fake_run()
    assert unrolled("score", run, "--source", source, "--target", target).lines == [
        "-3.0000\t-1.5000",
        "-5.0000\t-2.5000",
    ]
    told = unrolled("score", run, "--source", source, "--target", target, "--json")
    assert [each["text"] for each in told.json] == ["one", "three"]


def test_standard_input_is_read_once(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    told = unrolled("score", fake_run(), "--source", "-", "--target", "-", stdin="a\n")
    assert (told.code, "standard input (-) can be read only once" in told.err) == (2, True)


def test_one_side(
    unrolled: Callable[..., Any], fake_run: Callable[..., Path], files: tuple[Path, Path]
) -> None:
    run = fake_run("generate")
    assert unrolled("score", run, files[0]).lines == ["-2.0000\t-1.0000", "-4.0000\t-2.0000"]
    assert unrolled("score", run, stdin="abc\n").lines == ["-3.0000\t-1.5000"]


def test_sides_that_do_not_fit_say_what_is_needed(
    unrolled: Callable[..., Any], fake_run: Callable[..., Path], files: tuple[Path, Path]
) -> None:
    two, one = fake_run(), fake_run("generate", "one")
    for arguments, says in (
        ([two, "--source", files[0]], "together"),
        ([two, files[0], "--source", files[0], "--target", files[1]], "together"),
        ([two, files[0]], "--source FILE and --target FILE"),
        ([one, "--source", files[0], "--target", files[1]], "one FILE"),
    ):
        told = unrolled("score", *arguments)
        assert told.code == 2
        assert says in told.err


def test_files_of_unequal_length_are_named(unrolled: Any, fake_run: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a\nb\n")
    (tmp_path / "b").write_text("a\n")
    told = unrolled("score", fake_run(), "--source", tmp_path / "a", "--target", tmp_path / "b")
    assert told.code == 2
    assert f"{tmp_path / 'a'} has 2 lines but {tmp_path / 'b'} has 1: one each" in told.err
