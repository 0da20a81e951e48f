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
