"""A language model from the command line: looked at, trained, asked, scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unrolled import kernels

VERSE = "ROMEO: But soft,\nwhat light breaks?\n\n"


@pytest.fixture
def run(unrolled: Callable[..., Any], tmp_path: Path) -> Path:
    """Some updates on characters of a stream."""
    (tmp_path / "play.txt").write_text(VERSE * 60)
    recipe, run = tmp_path / "play.toml", tmp_path / "run"
    told = unrolled("new", "language-model", tmp_path / "play.txt", "-o", recipe)
    assert told.code == 0, told.err
    small = [f"--set={setting}" for setting in ("model.hidden_size=8", "training.epochs=1")]
    told = unrolled("train", recipe, "--run", run, "--threads", 1, *small)
    assert told.code == 0, told.err
    return run


def test_every_command_for_a_language_model(unrolled: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    options = ("--prompt", "ROMEO:", "--length", 30, "--seed", 3, "--top-k", 5)
    told = unrolled("generate", run, *options)
    assert told.out.startswith("ROMEO:")
    (found,) = unrolled("generate", run, *options, "--json").json
    assert told.out == found["text"] + "\n"
    assert len(found["tokens"]) == len(found["token_log_probs"]) == 30
    assert found["seed"] == 3
    if kernels.load() is not None:
        (packed,) = unrolled("generate", run, *options, "--weights", "bfloat16", "--json").json
        assert len(packed["tokens"]) == 30
        assert packed["token_log_probs"] != found["token_log_probs"]
    (tmp_path / "lines").write_text(VERSE)
    lines = unrolled("score", run, tmp_path / "lines").lines
    scored = unrolled("score", run, tmp_path / "lines", "--json").json
    assert [len(each["tokens"]) for each in scored] == [17, 19, 1]
    for line, each in zip(lines, scored, strict=True):
        assert line == f"{each['log_prob']:.4f}\t{each['score']:.4f}"
        assert math.isclose(sum(each["token_log_probs"]), each["log_prob"], rel_tol=1e-6)
    predicted = unrolled("predict", run, stdin="ROMEO: B\nwhat\n")
    assert [line[:4] for line in predicted.lines] == ["ROME", "what"]
    scores = unrolled("evaluate", run, "--json").json["scores"]
    assert set(scores) == {"perplexity", "nats_per_token", "bits_per_character"}
    assert scores["nats_per_token"]["low"] <= scores["nats_per_token"]["value"]
    ensemble = unrolled("evaluate", run, "--with", run, "--json").json["scores"]
    assert math.isclose(ensemble["perplexity"]["value"], scores["perplexity"]["value"], rel_tol=1e-6)


def test_mistakes_are_one_line(unrolled: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"fine\n\xff\n")
    for arguments, says in (
        (("generate", run, "--prompt", "ЖЖЖ"), "knows none of its characters"),
        (("generate", run, "--temperature", -1), "temperature"),
        (("translate", run), "unrolled generate"),
        (("score", run, tmp_path / "bad"), "bad:2: not valid UTF-8"),
        (
            ("score", run, "--source", tmp_path / "bad", "--target", tmp_path / "bad"),
            "score it with one FILE",
        ),
        (("evaluate", run, "--split", "train2"), "'train2' is not one of 'test', 'dev'"),
        (("evaluate", run, "--by-length"), "no scores by source length"),
    ):
        told = unrolled(*arguments)
        assert told.code == 2, arguments
        assert says in told.err, arguments
        assert "Traceback" not in told.err
