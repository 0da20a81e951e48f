"""The recurrent cells as a JAX user writes them: the inputs' product for all steps, ``lax.scan``, jitted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from arrays import cell_weights, read, write
from jax.nn import sigmoid
from serve import Run, serve


def step(cell: str, w: dict[str, Any], state: Any, z: Any) -> tuple[Any, Any]:
    recurrent = w["recurrent_weight"].T
    if cell == "RNN":
        state = jnp.tanh(z + state @ recurrent)
        return state, state
    if cell.startswith("LSTM"):
        h, c = state
        update, forget, candidate, output = jnp.split(z + h @ recurrent, 4, axis=-1)
        if cell == "LSTM peepholes":
            update, forget = update + w["peephole"][0] * c, forget + w["peephole"][1] * c
        c = sigmoid(update) * jnp.tanh(candidate) + sigmoid(forget) * c
        if cell == "LSTM peepholes":
            output = output + w["peephole"][2] * c
        h = sigmoid(output) * jnp.tanh(c)
        return (h, c), h
    size = state.shape[-1]
    if cell == "GRU none":
        update, candidate = jnp.split(z + state @ recurrent, 2, axis=-1)
        update = sigmoid(update)
    elif cell == "GRU after":
        product = state @ recurrent
        gates = sigmoid(z[:, : 2 * size] + product[:, : 2 * size])
        reset, update = gates[:, :size], gates[:, size:]
        candidate = z[:, 2 * size :] + reset * (product[:, 2 * size :] + w["recurrent_bias"])
    else:
        gates = sigmoid(z[:, : 2 * size] + state @ recurrent[:, : 2 * size])
        reset, update = gates[:, :size], gates[:, size:]
        candidate = z[:, 2 * size :] + (reset * state) @ recurrent[:, 2 * size :]
    state = update * jnp.tanh(candidate) + (1 - update) * state
    return state, state


def prepare(
    *, folder: str, cell: str, steps: int, batch: int, input: int, hidden: int
) -> tuple[dict[str, Any], Run]:
    weights = {name: jnp.asarray(value) for name, value in cell_weights(folder, cell, input, hidden).items()}
    inputs = jnp.asarray(read(folder, "inputs", (steps, batch, input)))
    grad_output = jnp.asarray(read(folder, "grad_output", (steps, batch, hidden)))

    def loss(weights: dict[str, Any], inputs: Any) -> tuple[Any, Any]:
        zeros = jnp.zeros((batch, hidden), inputs.dtype)
        start = (zeros, zeros) if cell.startswith("LSTM") else zeros
        projected = inputs @ weights["input_weight"].T + weights["bias"]
        _, output = jax.lax.scan(lambda state, z: step(cell, weights, state, z), start, projected)
        return (output * grad_output).sum(), output

    train = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (_, output), (grad_weights, grad_inputs) = train(weights, inputs)
    gradients = {f"grad_{name}": value for name, value in grad_weights.items()}
    write(folder, output=output, grad_inputs=grad_inputs, **gradients)
    return {}, lambda: jax.block_until_ready(train(weights, inputs))


if __name__ == "__main__":
    serve(prepare)
