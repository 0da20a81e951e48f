"""The vendor's path. What it hands to torch can be tested on any device; the choice of it, on a GPU."""

from __future__ import annotations

import pytest
import torch

from unrolled.nn import loop, vendor
from unrolled.nn.cells import GRU, LSTM, RNN, Cell

CELLS = {
    "tanh": lambda **kind: RNN(3, 4, **kind),
    "relu": lambda **kind: RNN(3, 4, nonlinearity="relu", **kind),
    "gru": lambda **kind: GRU(3, 4, reset="after", **kind),
    "lstm": lambda **kind: LSTM(3, 4, **kind),
}
LENGTHS = torch.tensor([2, 5, 0, 5])


def case(cell: Cell, device: str) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    inputs = torch.randn(5, 4, 3, dtype=torch.float64, device=device, requires_grad=True)
    return inputs, tuple(torch.randn_like(part) for part in cell.initial_state(4, like=inputs))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_it_is_the_loop(name: str, ragged: bool, reverse: bool) -> None:
    cell = CELLS[name](dtype=torch.float64)
    inputs, first = case(cell, "cpu")
    lengths = LENGTHS if ragged else None
    variables = [inputs, *cell.parameters()]
    found = []
    for result in (
        vendor.run(cell, inputs, first, lengths, reverse),
        loop.unroll(cell, inputs, first, lengths=lengths, reverse=reverse),
    ):
        total = result.output.square().sum() + sum(part.cos().sum() for part in result.state)
        found.append([result.output, *result.state, *torch.autograd.grad(total, variables)])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_what_stands_past_a_length_poisons_no_gradient(reverse: bool) -> None:
    cell = CELLS["gru"](dtype=torch.float64)
    inputs, first = case(cell, "cpu")
    padding = torch.arange(5)[:, None] >= LENGTHS
    inputs = inputs.detach().masked_fill(padding[..., None], torch.nan)
    result = vendor.run(cell, inputs, first, LENGTHS, reverse)
    for gradient in torch.autograd.grad(result.output.sum(), list(cell.parameters())):
        assert gradient.isfinite().all()


def test_another_default_device_changes_nothing() -> None:
    cell = CELLS["lstm"](dtype=torch.float64)
    inputs, first = case(cell, "cpu")
    expected = vendor.run(cell, inputs, first, LENGTHS, True).output
    with torch.device("meta"):
        assert torch.equal(vendor.run(cell, inputs, first, LENGTHS, True).output, expected)


def test_it_leaves_the_cpu_alone() -> None:
    cell = CELLS["lstm"](dtype=torch.float64)
    assert vendor.unroll(cell, *case(cell, "cpu")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_on_a_gpu(name: str, reverse: bool) -> None:
    cell = CELLS[name](dtype=torch.float64, device="cuda")
    inputs, first = case(cell, "cuda")
    wanted = loop.unroll(cell, inputs, first, lengths=LENGTHS, reverse=reverse)
    got = vendor.unroll(cell, inputs, first, lengths=LENGTHS, reverse=reverse)
    assert got is not None
    torch.testing.assert_close(got.output, wanted.output)
    with torch.backends.cudnn.flags(enabled=False):
        assert vendor.unroll(cell, inputs, first) is None
    assert vendor.unroll(cell, inputs, first, record=("update",)) is None
    for other in (GRU(3, 4, device="cuda"), LSTM(3, 4, peepholes="current", device="cuda")):
        assert vendor.unroll(other, inputs.float(), first) is None
