"""The eager loop under ``torch.compile``: one step compiled, called once a time step.

Compiling the loop itself unrolls it: minutes for 35 steps, more for 200. Sizes are symbolic, so that a cell
is compiled once for all shapes.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from arrays import cell_weights, read, write
from serve import Run, serve
from torch import Tensor


def rnn(w: dict[str, Tensor], z: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    return (torch.tanh(z + F.linear(h, w["recurrent_weight"])),)


def lstm(w: dict[str, Tensor], z: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    update, forget, candidate, output = (z + F.linear(h, w["recurrent_weight"])).chunk(4, dim=-1)
    if "peephole" in w:
        update, forget = update + w["peephole"][0] * c, forget + w["peephole"][1] * c
    c = torch.sigmoid(update) * torch.tanh(candidate) + torch.sigmoid(forget) * c
    if "peephole" in w:
        output = output + w["peephole"][2] * c
    return torch.sigmoid(output) * torch.tanh(c), c


def gru_none(w: dict[str, Tensor], z: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    update, candidate = (z + F.linear(h, w["recurrent_weight"])).chunk(2, dim=-1)
    update = torch.sigmoid(update)
    return (update * torch.tanh(candidate) + (1 - update) * h,)


def gru_after(w: dict[str, Tensor], z: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    size = h.shape[-1]
    product = F.linear(h, w["recurrent_weight"])
    reset, update = torch.sigmoid(z[:, : 2 * size] + product[:, : 2 * size]).chunk(2, dim=-1)
    candidate = torch.tanh(z[:, 2 * size :] + reset * (product[:, 2 * size :] + w["recurrent_bias"]))
    return (update * candidate + (1 - update) * h,)


def gru_before(w: dict[str, Tensor], z: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    size = h.shape[-1]
    weight = w["recurrent_weight"]
    reset, update = torch.sigmoid(z[:, : 2 * size] + F.linear(h, weight[: 2 * size])).chunk(2, dim=-1)
    candidate = torch.tanh(z[:, 2 * size :] + F.linear(reset * h, weight[2 * size :]))
    return (update * candidate + (1 - update) * h,)


STEPS: dict[str, Any] = {
    "RNN": rnn,
    "GRU before": gru_before,
    "GRU after": gru_after,
    "GRU none": gru_none,
    "LSTM": lstm,
    "LSTM peepholes": lstm,
}


@functools.cache
def compiled_step(cell: str) -> Any:
    return torch.compile(STEPS[cell], dynamic=True, fullgraph=True)


def prepare(
    *, folder: str, cell: str, steps: int, batch: int, input: int, hidden: int
) -> tuple[dict[str, Any], Run]:
    weights = {
        name: torch.from_numpy(value).requires_grad_()
        for name, value in cell_weights(folder, cell, input, hidden).items()
    }
    inputs = torch.from_numpy(read(folder, "inputs", (steps, batch, input))).requires_grad_()
    grad_output = torch.from_numpy(read(folder, "grad_output", (steps, batch, hidden)))
    step = compiled_step(cell)

    def run() -> Tensor:
        for tensor in (inputs, *weights.values()):
            tensor.grad = None
        state = tuple(inputs.new_zeros(batch, hidden) for _ in range(2 if cell.startswith("LSTM") else 1))
        projected = F.linear(inputs, weights["input_weight"], weights["bias"]).unbind(0)
        outputs = []
        for z in projected:
            state = step(weights, z, *state)
            outputs.append(state[0])
        output = torch.stack(outputs)
        output.backward(grad_output)
        return output

    output = run()
    gradients = {f"grad_{name}": value.grad.numpy() for name, value in weights.items()}
    write(folder, output=output.detach().numpy(), grad_inputs=inputs.grad.numpy(), **gradients)
    return {}, run


if __name__ == "__main__":
    serve(prepare)
