from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from unrolled.errors import RunError, UserError
from unrolled.metrics import Score
from unrolled.runs.folder import RunFolder


def test_a_new_run_says_its_version(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "a")
    assert not folder.exists
    folder.create()
    folder.create()
    folder.check()
    assert folder.exists
    assert (tmp_path / "runs" / "a" / "format_version").read_text() == "1\n"


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such run folder"):
        RunFolder(tmp_path / "nowhere").check()
    with pytest.raises(UserError, match=r"not a run folder: it has no file format_version"):
        RunFolder(tmp_path).check()
    (tmp_path / "precious").touch()
    with pytest.raises(UserError, match=r"holds something that is not a run"):
        RunFolder(tmp_path).create()
    with pytest.raises(UserError, match=r"precious: is a file"):
        RunFolder(tmp_path / "precious").create()


def test_a_run_killed_at_its_very_beginning_can_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(source: str, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        patch.setattr("os.unlink", lambda name: None)  # whoever is killed tidies nothing up
        with pytest.raises(KeyboardInterrupt):
            RunFolder(tmp_path / "a").create()
    assert [path.suffix for path in (tmp_path / "a").iterdir()] == [".tmp"]
    RunFolder(tmp_path / "a").create()
    assert RunFolder(tmp_path / "a").exists


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", r"has format version 2, this unrolled reads 1: upgrade unrolled"),
        ("0", r"has format version 0, this unrolled reads 1: train it again"),
        ("x", r"format_version: damaged: it should hold the number 1"),
        ("", r"format_version: damaged"),
    ],
)
def test_another_version_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "format_version").write_text(text)
    for check in (RunFolder(tmp_path).check, RunFolder(tmp_path).create):
        with pytest.raises(UserError, match=message):
            check()


def test_only_one_training_at_a_time(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    with folder.lock(), pytest.raises(RunError, match="another training"), RunFolder(tmp_path / "a").lock():
        pass
    with folder.lock():
        pass


def test_a_killed_process_gives_its_lock_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    folder.create()
    process = os.fork()
    if not process:
        with folder.lock():
            (tmp_path / "held").touch()
            time.sleep(60)
        os._exit(0)
    while not (tmp_path / "held").exists():
        time.sleep(0.005)
    with pytest.raises(RunError, match="another training"), folder.lock():
        pass
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with folder.lock():
        pass


def test_scores_of_several_splits_stand_side_by_side(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_scores(
        "dev", {"bleu": Score("BLEU", 30.0, details={"precisions": np.array([1.0, 0.5])})}, update=7
    )
    folder.write_scores("test", {"bleu": Score("BLEU", 29.0, 28.0, 30.0)})
    scores = folder.read_scores()
    assert scores["update"] == 7
    assert scores["dev"]["bleu"]["value"] == 30.0
    assert scores["dev"]["bleu"]["details"]["precisions"] == [1.0, 0.5]
    assert (scores["test"]["bleu"]["low"], scores["test"]["bleu"]["high"]) == (28.0, 30.0)
    folder.scores.write_text("{")
    assert folder.read_scores() == {}


def test_tokenizers_are_found_by_name(tmp_path: Path) -> None:
    for name in ("tokenizer.target.json", "tokenizer.source.json", "other.json"):
        (tmp_path / name).touch()
    assert list(RunFolder(tmp_path).tokenizers) == ["tokenizer.source.json", "tokenizer.target.json"]


def test_scores_of_other_weights_are_not_kept_beside_new_ones(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    folder.create()
    score = {"loss": Score("loss", 1.0)}
    folder.write_scores("dev", score, update=100)
    folder.write_scores("test", score)
    assert folder.read_scores().keys() == {"update", "dev", "test"}
    folder.write_scores("dev", score, update=100)
    assert "test" in folder.read_scores()
    folder.write_scores("dev", score, update=200)
    assert folder.read_scores().keys() == {"update", "dev"}
