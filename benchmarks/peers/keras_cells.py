"""Keras's recurrent layers on its JAX backend, in its batch-first layout: outputs and gradients, jitted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
from arrays import GATES, read, write
from serve import Run, serve

LAYERS: dict[str, Any] = {
    "RNN": keras.layers.SimpleRNN,
    "GRU before": lambda *a, **o: keras.layers.GRU(*a, reset_after=False, **o),
    "GRU after": keras.layers.GRU,
    "LSTM": keras.layers.LSTM,
}


def prepare(
    *, folder: str, cell: str, steps: int, batch: int, input: int, hidden: int
) -> tuple[dict[str, Any], Run]:
    if cell not in LAYERS:
        raise ValueError(f"not offered: {cell}")
    layer = LAYERS[cell](hidden, return_sequences=True)
    layer.build((batch, steps, input))
    rows = GATES[cell] * hidden
    bias = read(folder, "bias_keras", (2, rows) if cell == "GRU after" else (rows,))
    layer.set_weights(
        [read(folder, "weight_layer", (input, rows)), read(folder, "weight_iter", (hidden, rows)), bias]
    )
    inputs = jnp.asarray(read(folder, "inputs", (steps, batch, input)).swapaxes(0, 1).copy())
    grad_output = jnp.asarray(read(folder, "grad_output", (steps, batch, hidden)).swapaxes(0, 1).copy())
    rest = [variable.value for variable in layer.non_trainable_variables]

    def loss(weights: Any, inputs: Any) -> tuple[Any, Any]:
        output, _ = layer.stateless_call(weights, rest, inputs)
        return (output * grad_output).sum(), output

    train = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    weights = [variable.value for variable in layer.trainable_variables]
    (_, output), ((of_layer, of_iter, *_), grad_inputs) = train(weights, inputs)
    write(folder, output=output.swapaxes(0, 1), grad_inputs=grad_inputs.swapaxes(0, 1))
    write(folder, grad_weight_layer=of_layer, grad_weight_iter=of_iter)
    return {}, lambda: jax.block_until_ready(train(weights, inputs))


if __name__ == "__main__":
    serve(prepare)
