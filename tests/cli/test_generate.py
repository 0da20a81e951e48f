from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_texts_are_set_apart(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    run = fake_run("generate")
    told = unrolled("generate", run, "--prompt", "Once", "--samples", 2)
    assert told.lines == ["Once 0", "Once 1"]
    told = unrolled("generate", run, "--prompt", "One\ntwo", "--samples", 2)
    assert told.lines == ["One", "two 0", "-" * 20, "One", "two 1"]
    assert [each["text"] for each in unrolled("generate", run, "--samples", 2, "--json").json] == [" 0", " 1"]


def test_options_reach_the_writer(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    run = fake_run("generate")
    unrolled("generate", run, "--length", 9, "--temperature", 0.8, "--top-k", 5, "--top-p", 0.9, "--seed", 7)
    wanted = {"length": 9, "temperature": 0.8, "top_k": 5, "top_p": 0.9, "seed": 7}
    assert json.loads((run / "options.json").read_text()) == wanted
