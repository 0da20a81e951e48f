from __future__ import annotations

import pytest

from unrolled.cli.show import show_scores, show_table
from unrolled.metrics import Score


def test_a_table_is_plain_text_when_not_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["name", "value"], [["a", "1.00"], ["longer", "12.50"]], title="T")
    assert capsys.readouterr().out == "T\nname    value\na        1.00\nlonger  12.50\n"


def test_a_table_is_drawn_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_table(["name", "value"], [["[bold]a", "1.00"]])
    out = capsys.readouterr().out
    assert "┃" in out
    assert "[bold]a" in out


def test_scores_come_with_interval_and_signature(capsys: pytest.CaptureFixture[str]) -> None:
    show_scores({"bleu": Score("BLEU", 38.123, 37.0, 39.5, "BLEU|x:y"), "ppl": Score("perplexity", 5.0)})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["BLEU", "38.12", "37.00", "to", "39.50"]
    assert lines[2].split() == ["perplexity", "5.00"]
    assert lines[3] == "BLEU|x:y"


def test_square_brackets_are_no_markup_anywhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show_table(["[/b]", "value"], [["a\\", "[i]1"]], title="runs/[v2]")
    out = capsys.readouterr().out
    assert all(part in out for part in ("runs/[v2]", "[/b]", "a\\", "[i]1"))
