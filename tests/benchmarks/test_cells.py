from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from benchmarks.cells import CELLS, COMPILED, KERAS, LOOP, TORCH, _row
from benchmarks.measure import WrongNumbersError
from benchmarks.peer import SCRIPTS, PeerError, read_array, write_arrays
from torch import Tensor

from unrolled import kernels

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="the peak takes our own product's turn too")
SHAPE = (4, 3, 5, 6)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The compiled loop's script, here and not compiled."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import compiled_cells

    monkeypatch.setattr(compiled_cells, "compiled_step", compiled_cells.STEPS.get)
    return compiled_cells


class Here:
    """A peer in this process, which can take so many turns."""

    def __init__(self, prepare: Any, turns: int = 99) -> None:
        self.prepare, self.turns = prepare, turns

    def turn(self) -> float:
        self.turns -= 1
        if self.turns < 0:
            raise PeerError("killed")
        return 1.0


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_all_that_is_timed_has_been_compared(name: str, ragged: bool, script: ModuleType) -> None:
    notes: list[str] = []
    row = _row(name, SHAPE, ragged, {} if ragged else {COMPILED: Here(script.prepare)}, 1, notes)
    assert row.times.peers == ([TORCH] if ragged else [TORCH, LOOP, COMPILED])
    assert notes == []


@pytest.mark.parametrize("what", ["output", "grad_inputs", "grad_input_weight", "grad_recurrent_bias"])
def test_a_peer_with_another_gradient_is_not_timed(
    what: str, script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = script.write
    monkeypatch.setattr(
        script, "write", lambda folder, **arrays: write(folder, **(arrays | {what: arrays[what] * 1.01}))
    )
    with pytest.raises(WrongNumbersError, match=f"{COMPILED}, {what}:"):
        _row("GRU after", SHAPE, False, {COMPILED: Here(script.prepare)}, 1, [])


@pytest.mark.parametrize("scale", ["weight_ih_l0", "bias_hh_l0"])
def test_neither_is_torch(scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(torch.nn.GRU):
        def __init__(self, *sizes: int) -> None:
            super().__init__(*sizes)
            getattr(self, scale).register_hook(lambda gradient: gradient * 1.01)

    ours, _, same = CELLS["GRU after"]
    monkeypatch.setitem(CELLS, "GRU after", (ours, Other, same))
    with pytest.raises(WrongNumbersError, match=f"{TORCH}, grad_"):
        _row("GRU after", SHAPE, False, {}, 1, [])


def test_a_peer_that_fails_in_a_turn_does_not_take_the_rest_with_it(script: ModuleType) -> None:
    notes: list[str] = []
    others: dict[str, Any] = {COMPILED: Here(script.prepare), KERAS: Here(_keras_gru, turns=2)}
    row = _row("GRU before", SHAPE, False, others, 3, notes)
    assert row.times.peers == [TORCH, LOOP, COMPILED]
    assert all(len(seconds) == 3 for seconds in row.times.rounds.values())
    assert list(others) == [COMPILED]
    assert notes == ["Keras did not run 4×3×5×6 GRU before and what follows: killed"]


def test_what_is_ours_may_not_fail(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("ours")

    peer = Here(script.prepare)
    monkeypatch.setattr(peer, "turn", fail)
    with pytest.raises(RuntimeError, match="ours"):
        _row("RNN", SHAPE, False, {COMPILED: peer}, 1, [])


def _keras_gru(*, folder: str, cell: str, steps: int, batch: int, input: int, hidden: int) -> None:
    """Keras's equations, in its order of gates: update, reset, candidate; reset before the matrix."""
    at = Path(folder)
    inputs = read_array(at, "inputs", (steps, batch, input)).requires_grad_()
    kernel = read_array(at, "weight_layer", (input, 3 * hidden)).requires_grad_()
    recurrent = read_array(at, "weight_iter", (hidden, 3 * hidden)).requires_grad_()
    bias = read_array(at, "bias_keras", (3 * hidden,))
    h, outputs = torch.zeros(batch, hidden), list[Tensor]()
    for x in inputs:
        z, r, n = (x @ kernel + bias).chunk(3, dim=-1)
        of_z, of_r, of_n = recurrent.chunk(3, dim=-1)
        z, r = torch.sigmoid(z + h @ of_z), torch.sigmoid(r + h @ of_r)
        h = z * h + (1 - z) * torch.tanh(n + (r * h) @ of_n)
        outputs.append(h)
    output = torch.stack(outputs)
    output.backward(read_array(at, "grad_output", output.shape))
    write_arrays(at, output=output, grad_inputs=inputs.grad)
    write_arrays(at, grad_weight_layer=kernel.grad, grad_weight_iter=recurrent.grad)
