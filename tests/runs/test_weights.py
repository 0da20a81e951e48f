from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks.memory import Peak
from torch import nn

from unrolled.errors import UserError
from unrolled.runs.weights import mapped_tensors, read_tensors, restore, snapshot, weights, write_tensors


def tied() -> nn.Module:
    model = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(2, 3), "norm": nn.BatchNorm1d(3)})
    model["b"].weight = model["a"].weight
    return model


def test_tied_weights_are_there_once_and_buffers_too() -> None:
    assert set(weights(tied())) == {
        *("a.weight", "a.bias", "b.bias"),
        *(
            f"norm.{name}"
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        ),
    }


def test_weights_are_the_models_own_and_a_snapshot_is_not() -> None:
    model = tied()
    copy = snapshot(model)
    weights(model)["a.bias"].fill_(7)
    assert (model["a"].bias == 7).all()  # type: ignore[index]
    assert not (copy["a.bias"] == 7).any()


def test_restoring_keeps_ties(tmp_path: Path) -> None:
    first, second = tied(), tied()
    write_tensors(tmp_path / "x", weights(first))
    restore(second, read_tensors(tmp_path / "x"), "x")
    assert second["a"].weight is second["b"].weight  # type: ignore[index]
    for name, tensor in weights(first).items():
        assert torch.equal(tensor, weights(second)[name])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's count of a process's pages")
def test_a_model_is_restored_without_being_in_memory_twice(tmp_path: Path) -> None:
    size = 40_000_000
    write_tensors(tmp_path / "x", {"weight": torch.arange(size // 4, dtype=torch.float32).reshape(-1, 1)})
    model = nn.Linear(1, size // 4, bias=False)
    mapped_tensors(tmp_path / "x")  # what a first time allocates
    with Peak() as peak:
        before = Peak.now()
        restore(model, mapped_tensors(tmp_path / "x"), "x")
    assert peak.bytes - before < size / 4
    assert model.weight[-1] == size // 4 - 1


def test_another_models_weights_are_refused() -> None:
    model, good = tied(), snapshot(tied())
    with pytest.raises(UserError, match=r"x: 'a.bias' has shape \(4,\), in this model \(3,\)"):
        restore(model, {**good, "a.bias": torch.zeros(4)}, "x")
    with pytest.raises(UserError, match=r"x: 'c' is not in this model"):
        restore(model, {**good, "c": torch.zeros(4)}, "x")
    del good["a.bias"]
    with pytest.raises(UserError, match=r"x: has no tensor 'a.bias'"):
        restore(model, good, "x")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_files_keep_every_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"a": torch.arange(6).reshape(2, 3).to(dtype), "empty": torch.zeros(0, dtype=dtype)}
    tensors |= {"scalar": torch.ones((), dtype=dtype), "turned": tensors["a"].T, "same memory": tensors["a"]}
    write_tensors(tmp_path / "x", tensors)
    again = read_tensors(tmp_path / "x")
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == dtype
        assert torch.equal(again[name], tensor)


def test_equal_tensors_make_equal_files(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"b": torch.randn(3), "a": torch.randn(2)}
    write_tensors(tmp_path / "x", tensors)
    write_tensors(tmp_path / "y", tensors)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_any_damaged_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_tensors(path, {"a": torch.arange(5.0), "b": torch.ones(2)})
    good = path.read_bytes()
    for place in range(len(good)):
        data = bytearray(good)
        data[place] ^= 0x10
        path.write_bytes(data)
        try:
            again = read_tensors(path)
        except UserError as error:
            assert str(path) in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:
            # Only the padding and the name of the checksum's own key may differ unseen.
            assert torch.equal(again["a"], torch.arange(5.0)), place
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        with pytest.raises(UserError, match="damaged"):
            read_tensors(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="x: no such file"):
        read_tensors(tmp_path / "x")
