from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from unrolled.training.progress import Show


def shown(terminal: bool) -> str:
    """What is left on the screen of a preparation, an update and a validation."""
    out = io.StringIO()
    look = {"width": 100, "soft_wrap": True, "highlight": False, "_environ": {"TERM": "xterm"}}
    console = Console(file=out, force_terminal=terminal, **look)  # type: ignore[arg-type]
    with Show(console=console) as show:
        show.prepare("turning pairs into ids: 4,096", 0.0)
        show.prepare("turning pairs into ids: 8,192", 0.5)
        show.prepare("train: 9,000 pairs; 7 left out (7 too long), the first at a.tsv:3", 1.0)
        show.update(5, 10, 0, 1.25, 2500)
        show.logged(5, 10, 0, 1.25, 2500, 3725)
        show.validated(5, {"bleu": 12.345}, best=True)
    return out.getvalue()


def test_lines_where_there_is_no_terminal() -> None:
    assert shown(False).splitlines() == [
        "turning pairs into ids: 4,096",
        "train: 9,000 pairs; 7 left out (7 too long), the first at a.tsv:3",
        "update 5/10  epoch 1  loss 1.250  2,500 tokens/s  1:02:05 left",
        "update 5  dev  bleu 12.35  (best)",
    ]


def test_a_bar_on_a_terminal_and_what_is_to_be_read_stays() -> None:
    text = shown(True)
    for line in ("the first at a.tsv:3\n", "update 5  dev  bleu 12.35  (best)\n"):
        assert text.count(line) == 1
    assert "epoch 1  loss 1.250  2,500 tokens/s" in text
    assert "1:02:05 left" not in text  # the bar has its own


def test_nothing_but_what_is_said() -> None:
    out = io.StringIO()
    with Show(False, Console(file=out, soft_wrap=True)) as show:
        show.prepare("x", 1.0)
        show.logged(1, 2, 0, 1.0, 1.0, 1.0)
        show.say("heard")
    assert out.getvalue() == "heard\n"


def test_a_reader_that_goes_away_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with open(write, "w", buffering=1) as gone:
        os.close(read)
        monkeypatch.setattr("sys.stderr", gone)
        with Show() as show:
            show.say("one")
            show.logged(5, 10, 0, 1.25, 2500, 3725)
            print("and others write there, too", file=gone)
