from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from unrolled import __version__, kernels


@pytest.fixture(autouse=True)
def keep_threads() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_versions_kernels_and_threads(unrolled: Callable[..., Any]) -> None:
    found = unrolled("info", "--json", "--threads", 2, "--device", "cpu").json
    assert found["unrolled"] == __version__
    assert found["packages"]["torch"] == torch.__version__
    assert found["kernels"] == kernels.describe()
    assert found["threads"] == 2
    assert found["device"] == "cpu"
    assert "run" not in found


def test_as_text(unrolled: Callable[..., Any]) -> None:
    told = unrolled("info", "--device", "cpu")
    assert told.lines[0].split() == ["unrolled", __version__]
    assert any(line.split()[:1] == ["path"] for line in told.lines)


def test_what_a_run_holds(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    run = fake_run()
    save_file({"a": torch.zeros(3, 4), "b": torch.zeros(5)}, run / "model.safetensors")
    (run / "state" / "00000040").mkdir(parents=True)
    (run / "log.jsonl").write_text('{"update": 1}\n{"update": 40}\n')
    (run / "scores.json").write_text(json.dumps({"dev": {"bleu": 1.5}}))
    found = unrolled("info", run, "--json", "--device", "cpu").json["run"]
    assert found["use"] == f"unrolled translate {run}"
    assert found["parameters"] == 17
    assert found["checkpoints"] == ["00000040"]
    assert found["last_log"] == {"update": 40}
    assert found["scores"] == {"dev": {"bleu": 1.5}}


def test_what_is_no_run_is_named(unrolled: Callable[..., Any], tmp_path: Path) -> None:
    told = unrolled("info", tmp_path)
    assert told.code == 2
    assert str(tmp_path) in told.err


def test_of_a_run_a_person_reads_how_far_it_is(
    unrolled: Callable[..., Any], fake_run: Callable[..., Path]
) -> None:
    run = fake_run()
    assert any("not yet" in line for line in unrolled("info", run).lines)
    (run / "state" / "00000040").mkdir(parents=True)
    (run / "log.jsonl").write_text('{"update": 40, "loss": 2.5, "gradient_norms": [1.0, 2.0]}\n')
    score = {"name": "BLEU", "value": 38.123, "low": 37.0, "high": 39.5, "details": {"precisions": [1, 2]}}
    (run / "scores.json").write_text(json.dumps({"update": 30, "dev": {"bleu": score}}))
    told = unrolled("info", run).out
    assert "update 40 of 100, not finished: the same train command goes on" in told
    assert "38.12 (37.00 to 39.50)" in told
    assert "gradient_norms" not in told
    score |= {"value": None, "low": None, "high": None}  # as a file of JSON has what is no number
    (run / "scores.json").write_text(json.dumps({"update": 30, "dev": {"bleu": score}}))
    assert "no number" in unrolled("info", run).out
    assert "precisions" not in told
    (run / "scores.json").write_text(json.dumps({"update": 40}))
    assert unrolled("info", run, "--json").json["run"]["trained"] == "update 40 of 100, finished"
