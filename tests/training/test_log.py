from __future__ import annotations

import json
from pathlib import Path

import pytest

from unrolled.errors import RunError
from unrolled.training.log import Log


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_a_call_and_no_number_is_null(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path, 0, 0)
    log.write(update=1, loss=0.5)
    log.write(update=2, dev={"bleu": float("nan")}, best=False)
    log.close()
    assert log.count == 2
    assert lines(path) == [{"update": 1, "loss": 0.5}, {"update": 2, "dev": {"bleu": None}, "best": False}]


def test_what_the_checkpoint_did_not_know_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"update": 1}\n{"update": 2}\n{"upd')
    log = Log(path, 1, 1)
    log.write(update=2)
    log.close()
    assert [line["update"] for line in lines(path)] == [1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's disk that is always full")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl", 0, 0)
    log.close()
    log._file = open("/dev/full", "w")  # noqa: SIM115 (closed below, where it must fail)
    with pytest.raises(RunError, match="No space left"):
        log.write(update=1)
    with pytest.raises(RunError, match="No space left"):  # in whose place a bare error would reach the user
        log.close()


def test_tensorboard_events_hold_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="events need the extra `tensorboard`")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path / "log.jsonl", 0, 0, tensorboard=True)
    log.write(update=3, dev={"bleu": 12.5}, best=True)
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("dev/bleu")] == [(3, 12.5)]
