"""Training steps of the recurrent cells beside ``torch.nn``, a plain loop and the matrix-product peak.

Every contender takes its turn in every round; a figure is the median over rounds, a ratio the median of the
rounds' ratios. Before anything is timed, outputs and gradients are compared with the reference in float64.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.nn import cells, loop
from unrolled.nn.torch_form import torch_weights
from unrolled.nn.unroll import unroll

SHAPES = (
    (35, 20, 200, 200),
    (35, 20, 650, 650),
    (50, 64, 128, 128),
    (100, 32, 256, 256),
    (50, 64, 512, 512),
    (25, 128, 256, 256),
    (200, 1, 128, 128),
)
"""(time, batch, input, hidden)"""

CELLS: dict[str, tuple[Callable[[int, int], cells.GatedCell], type[nn.RNNBase], bool]] = {
    "RNN": (cells.RNN, nn.RNN, True),
    "GRU before": (lambda i, h: cells.GRU(i, h, reset="before"), nn.GRU, False),
    "GRU after": (lambda i, h: cells.GRU(i, h, reset="after"), nn.GRU, True),
    "GRU none": (lambda i, h: cells.GRU(i, h, reset="none"), nn.GRU, False),
    "LSTM": (cells.LSTM, nn.LSTM, True),
    "LSTM peepholes": (lambda i, h: cells.LSTM(i, h, peepholes="current"), nn.LSTM, False),
}
"""Name → our cell, torch's layer of the kind, and whether that computes the same."""


@dataclass(frozen=True)
class Row:
    """One cell at one shape: seconds of a training step, and what they mean."""

    cell: str
    shape: tuple[int, int, int, int]
    ragged: bool
    seconds: float
    torch_ratio: float
    loop_ratio: float
    peak_share: float
    """Arithmetic without padding over time, over the matrix product's best in this run."""
    error: float
    """Largest ‖Δ‖/‖reference‖ of output and gradients."""


def rows(
    shapes: Sequence[tuple[int, int, int, int]] = SHAPES,
    names: Sequence[str] = tuple(CELLS),
    *,
    ragged: bool = False,
    rounds: int = 7,
) -> list[Row]:
    """A row for each shape and cell."""
    return [_row(name, shape, ragged, rounds) for shape in shapes for name in names]


def _row(name: str, shape: tuple[int, int, int, int], ragged: bool, rounds: int) -> Row:
    torch.manual_seed(0)
    steps, batch, input_size, hidden_size = shape
    ours, torch_kind, same = CELLS[name]
    cell = ours(input_size, hidden_size)
    peer = torch_kind(input_size, hidden_size)
    if same:
        with torch.no_grad():
            for parameter, value in zip(peer.parameters(), torch_weights(cell), strict=True):
                parameter.copy_(value)
    inputs = torch.randn(steps, batch, input_size, requires_grad=True)
    lengths = torch.randint(1, steps + 1, (batch,)) if ragged else None
    weight = torch.randn(steps, batch, hidden_size)

    def step(output: Tensor, module: nn.Module) -> None:
        for tensor in (inputs, *module.parameters()):
            tensor.grad = None
        output.backward(weight)

    def run_ours() -> None:
        step(unroll(cell, inputs, lengths=lengths).output, cell)

    def run_torch() -> None:
        if lengths is None:
            output = peer(inputs)[0]
        else:
            packed = peer(pack_padded_sequence(inputs, lengths, enforce_sorted=False))[0]
            output = pad_packed_sequence(packed, total_length=steps)[0]
        step(output, peer)

    def run_loop() -> None:
        state = cell.initial_state(batch, like=inputs)
        outputs = []
        for t in range(steps):
            state = cell.step(cell.project(inputs[t]), state)
            outputs.append(state[0])
        step(torch.stack(outputs), cell)

    error = _error(cell, inputs, lengths, weight)
    size = 1536
    a, b, c = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    contenders = [run_ours, run_torch, run_loop, lambda: torch.mm(a, b, out=c)]
    for contender in contenders:
        contender()
    times = [[_seconds(contender) for contender in contenders] for _ in range(rounds)]
    real = steps * batch if lengths is None else int(lengths.sum())
    arithmetic = 6 * real * len(cell.gates) * hidden_size * (input_size + hidden_size)
    return Row(
        name,
        shape,
        ragged,
        statistics.median(turn[0] for turn in times),
        statistics.median(turn[1] / turn[0] for turn in times),
        statistics.median(turn[2] / turn[0] for turn in times),
        statistics.median((arithmetic / turn[0]) / (2 * size**3 / turn[3]) for turn in times),
        error,
    )


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    count = 0
    while True:  # short steps are repeated, so that the clock and the scheduler matter little
        run()
        count += 1
        passed = time.perf_counter() - begin
        if passed > 0.02:
            return passed / count


def _error(cell: cells.GatedCell, inputs: Tensor, lengths: Tensor | None, weight: Tensor) -> float:
    """Ours in float32 against the reference in float64."""
    found = []
    for path, dtype in ((unroll, torch.float32), (loop.unroll, torch.float64)):
        cell.to(dtype)
        x = inputs.detach().to(dtype).requires_grad_()
        state = cell.initial_state(x.shape[1], like=x)
        output = path(cell, x, state, lengths=lengths).output
        gradients = torch.autograd.grad(output, (x, *cell.parameters()), weight.to(dtype))
        found.append([output.detach(), *gradients])
    cell.float()
    return max(((a - b).norm() / b.norm()).item() for a, b in zip(*found, strict=True))


def table(found: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| T×B×I×H | cell | ms | × torch.nn | × plain loop | of peak | error |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {'×'.join(map(str, row.shape))}{' ragged' if row.ragged else ''} | {row.cell} "
        f"| {row.seconds * 1e3:.2f} | {row.torch_ratio:.2f} | {row.loop_ratio:.2f} "
        f"| {row.peak_share:.2f} | {row.error:.0e} |"
        for row in found
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ragged", action="store_true")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--shapes", nargs="+", type=int, default=range(len(SHAPES)), help="by number, from 0")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = [SHAPES[i] for i in options.shapes]
    print(table(rows(chosen, options.cells, ragged=options.ragged, rounds=options.rounds)))
