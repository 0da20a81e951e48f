from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs import load

Fit = Callable[..., Path]


def answer(*runs: Path) -> float:
    return float(next(iter(load(list(runs)).predict(["1 2 3"]))).text)


def test_a_run_answers_and_an_ensemble_of_runs_answers_together(fit: Fit) -> None:
    one, two = fit("a"), fit("b", seed=2)
    assert answer(one, two) == pytest.approx((answer(one) + answer(two)) / 2, abs=2e-6)
    assert answer(one) != answer(two)
    assert next(iter(load(str(one)).predict(["1 2 3"]))).text == f"{answer(one):.6f}"


def test_models_are_ready_to_use_and_the_callers_generator_untouched(fit: Fit) -> None:
    run = fit("a", "training.precision=float64")
    before = torch.get_rng_state()
    model = load(run).models[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training
    assert next(model.parameters()).dtype == torch.float64


def message(*runs: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(list(runs))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_missing_or_damaged_file_is_named(fit: Fit, tmp_path: Path) -> None:
    run = fit("a", "training.updates=2")
    assert "no run given" in message()
    assert "nowhere: no such run folder" in message(tmp_path / "nowhere")
    for name, expected in [
        (
            "model.safetensors",
            "model.safetensors: missing: the run has no weights before its first validation",
        ),
        ("tokenizer.toy.json", "tokenizer.toy.json: missing"),
        ("recipe.toml", "recipe.toml: missing"),
        ("format_version", "not a run folder"),
    ]:
        content = (run / name).read_bytes()
        (run / name).unlink()
        assert expected in message(run)
        (run / name).write_bytes(content)
    for name, damage, expected in [
        ("model.safetensors", b"", "model.safetensors: damaged"),
        ("recipe.toml", b"task = ", "recipe.toml:1: not valid TOML"),
        ("recipe.toml", b'task = "toy"\n[training]\nupdates = 1\nx = 1', "recipe.toml:4: unknown key 'x'"),
        ("recipe.toml", b'task = "toy"\n[training]\nupdates = 1\n[model]\nhidden = 9', "has shape"),
        ("format_version", b"7", "has format version 7"),
    ]:
        content = (run / name).read_bytes()
        (run / name).write_bytes(damage)
        assert expected in message(run)
        (run / name).write_bytes(content)
    answer(run)


def test_runs_that_do_not_fit_together_are_refused(fit: Fit) -> None:
    one, two = fit("a", "training.updates=2"), fit("b", "training.updates=2", "text.source.kind=bpe")
    assert f"{two / 'tokenizer.toy.json'}: differs from {one / 'tokenizer.toy.json'}" in message(one, two)
    text = (two / "recipe.toml").read_text()
    (two / "recipe.toml").write_text(text.replace('task = "toy"', 'task = "tou"'))
    assert "unknown task 'tou'" in message(one, two)
