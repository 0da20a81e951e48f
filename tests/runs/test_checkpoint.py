from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from unrolled.errors import RunError, UserError
from unrolled.runs import checkpoint

TENSORS = {"a": torch.arange(4.0), "b": torch.tensor(3)}


def save(folder: Path, step: int, **options: int) -> None:
    checkpoint.save(
        folder, step, {**TENSORS, "step": torch.tensor(step)}, {"step": step, "x": [1.5, None]}, **options
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_found_again(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "state") is None
    save(tmp_path / "state", 12)
    found = checkpoint.latest(tmp_path / "state")
    assert found
    assert (found.step, found.record) == (12, {"step": 12, "x": [1.5, None]})
    assert torch.equal(found.tensors["a"], TENSORS["a"])
    assert names(tmp_path / "state" / "00000012") == ["state.json", "state.safetensors"]


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    for step in (1, 5, 30, 100_000_000):
        save(tmp_path, step)
    assert names(tmp_path) == ["00000030", "100000000"]
    save(tmp_path, 100_000_001, keep=3)
    assert len(names(tmp_path)) == 3
    found = checkpoint.latest(tmp_path)
    assert found
    assert found.step == 100_000_001


def test_a_damaged_one_of_a_later_update_takes_no_good_ones_place(tmp_path: Path) -> None:
    for step in (100, 200, 300):
        save(tmp_path, step, keep=3)
    (tmp_path / "00000300" / "state.json").write_text("{}")
    save(tmp_path, 250)
    assert names(tmp_path) == ["00000200", "00000250", "00000300"]


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "changed"])
def test_a_damaged_one_is_named_and_the_one_before_it_used(tmp_path: Path, name: str, harm: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    path = tmp_path / "00000002" / name
    data = path.read_bytes()
    match harm:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(data[:-7])
        case "changed":
            path.write_bytes(data.replace(b"1.5", b"1.6") if name == "state.json" else data[:-1] + b"\x7f")
    told: list[str] = []
    found = checkpoint.latest(tmp_path, told.append)
    assert found
    assert found.step == 1
    assert len(told) == 1
    assert told[0].startswith(str(path))
    assert told[0].endswith("going on from the one before it, update 1")
    with pytest.raises(UserError, match=name):
        checkpoint.read(tmp_path / "00000002")
    # Training comes past the damaged one again.
    save(tmp_path, 2)
    found = checkpoint.latest(tmp_path, told.append)
    assert found
    assert (found.step, len(told)) == (2, 1)


def test_none_usable_is_an_error(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
        (tmp_path / f"{step:08d}" / "state.json").unlink()
    with pytest.raises(RunError, match=r"no usable checkpoint .*00000002/state.json: missing.*00000001"):
        checkpoint.latest(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(
            RunError, match=r"00000003: cannot write: No space left on device.*free some space"
        ):
            save(tmp_path, 3)
    found = checkpoint.latest(tmp_path)
    assert found
    assert found.step == 2
    save(tmp_path, 3)
    assert names(tmp_path) == ["00000002", "00000003"]


def test_what_an_interrupted_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".tmp-xyz").mkdir()
    (tmp_path / ".tmp-xyz" / "state.json").write_text("half")
    assert checkpoint.latest(tmp_path) is None
    save(tmp_path, 1)
    assert names(tmp_path) == ["00000001"]
