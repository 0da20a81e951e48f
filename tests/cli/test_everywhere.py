from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "{run}", "--device", "cuda:1", "--threads", "3"],
        ["--device", "cuda:1", "--threads", "3", "translate", "{run}"],
        ["--device", "cpu", "translate", "{run}", "--device", "cuda:1", "--threads", "3"],
    ],
)
def test_before_or_after_the_command(
    arguments: list[str], unrolled: Run, fake_run: Callable[..., Path]
) -> None:
    run = fake_run()
    assert unrolled(*[argument.format(run=run) for argument in arguments], stdin="x\n").code == 0
    assert json.loads((run / "loaded.json").read_text()) == {"device": "cuda:1", "threads": 3}


def test_left_out_they_are_automatic(unrolled: Run, fake_run: Callable[..., Path]) -> None:
    run = fake_run()
    assert unrolled("predict", run, stdin="x\n").code == 0
    assert json.loads((run / "loaded.json").read_text()) == {"device": "auto", "threads": None}


def test_a_wrong_number_of_threads_is_named(unrolled: Run) -> None:
    told = unrolled("info", "--threads", "0")
    assert told.code == 2
    assert "--threads" in told.err
