"""The decoders that attend, through given words: ``unrolled::attentive`` and its backward, torch operators.

As :mod:`unrolled.kernels.recurrent`: plain functions of tensors, padded and time-major without, packed
within. :mod:`unrolled.nn.fused_attentive` gives them their gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.calls import FORMS, Form, cell_arguments, contiguous, run_attentive
from unrolled.kernels.operators import LIBRARY
from unrolled.kernels.packing import Packing
from unrolled.kernels.product import product
from unrolled.kernels.recurrent import (
    bias_gradients,
    empty,
    input_gradient,
    input_weight_gradient,
    nothing,
)

_KEPT = (
    "gates",
    "cells",
    "seen",
    "inner",
    "packed_output",
    "asked",
    "packed_weights",
    "packed_late",
    "context",
    "fed",
)


def _threads(packing: Packing, late: Tensor, *, weight: Tensor, **_: Any) -> int:
    """One where a step is less work than threads waiting for one another."""
    work = packing.batch * len(weight) * (weight.shape[1] + late.shape[1])
    return 1 if work < 200_000 else torch.get_num_threads()


def _constants(
    packing: Packing,
    keys: Tensor,
    values: Tensor,
    source_lengths: Tensor,
    query_weight: Tensor | None,
    energy_weight: Tensor | None,
    combine: Tensor | None,
    late: Tensor,
) -> dict[str, Any]:
    return {
        "luong": combine is not None,
        "additive": energy_weight is not None,
        "source": keys.shape[1],
        "size": keys.shape[2],
        "features": values.shape[2],
        "late": late.shape[1],
        "sentence": torch.arange(packing.batch, device="cpu") if packing.order is None else packing.order,
        "lengths": source_lengths.cpu().long().clamp(0, keys.shape[1]),
        "keys": keys.contiguous(),
        "values": values.contiguous(),
        "query_weight": contiguous(query_weight),
        "energy_weight": contiguous(energy_weight),
        "combine": contiguous(combine),
    }


def attentive(
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor | None,
    late: Tensor,
    input_weight: Tensor,
    recurrent_weight: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor | None,
    peephole: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    keys: Tensor,
    values: Tensor,
    source_lengths: Tensor,
    query_weight: Tensor | None,
    energy_weight: Tensor | None,
    combine: Tensor | None,
    form: str,
) -> tuple[Tensor, ...]:
    """A cell within an attention over ``inputs (time, batch, input)``, from ``hidden``, ``cell (batch,
    hidden)`` and ``late (batch, late)``: Bahdanau's first context, or with ``combine`` Luong's first s̃. With
    ``energy_weight`` the score is additive, else sᵀ key.

    Answers ``(hidden states (time, batch, hidden), late (time, batch, late), weights (time, batch, source),
    final hidden, final cell, final late)`` and what the backward pass needs, in packed order. Absent ones are
    empty.
    """
    f = FORMS[form]
    time, batch, columns = inputs.shape
    packing = Packing(lengths, time, batch)
    rows = packing.total
    made = _empty(inputs, hidden, late, mask, lengths, keys, values, energy_weight, combine, f)
    packed = lengths is not None
    states, attended = (
        made["packed_output" if packed else "output"],
        made["packed_late" if packed else "late"],
    )
    weights = made["packed_weights" if packed else "weights"].zero_()
    final = packing.sort(late)
    assert final is not None
    made["final_late"].copy_(final)
    if combine is not None:
        made["fed"][: packing.offsets[1]] = final[: packing.offsets[1]]
    product(packing.pack(inputs), input_weight[:, :columns].t(), bias=bias, out=made["gates"][:rows])
    kept: dict[str, Any] = {
        "weight": recurrent_weight.contiguous(),
        "recurrent_bias": contiguous(recurrent_bias),
        "peephole": contiguous(peephole),
        "mask": packing.sort(mask),
        "initial_hidden": packing.sort(hidden),
        "initial_cell": packing.sort(cell),
        "output": states,
        **{key: made[key] for key in ("gates", "cells", "seen", "inner", "final_hidden", "final_cell")},
    }
    late_weight = (
        input_weight[:, columns:] if input_weight.stride(1) == 1 else input_weight[:, columns:].contiguous()
    )
    constants = _constants(packing, keys, values, source_lengths, query_weight, energy_weight, combine, late)
    run_attentive(
        "forward",
        f,
        cell_arguments(f, packing, False, threads=_threads(packing, late, **kept), **kept),
        **constants,
        late_weight=late_weight,
        late_stride=late_weight.stride(0),
        weights=weights,
        context=attended if combine is None else made["context"],
        attended=attended,
        **{key: made[key] for key in ("asked", "fed", "final_late")},
    )
    if packed:
        made["output"], made["late"] = packing.pad(states[:rows]), packing.pad(attended[:rows])
        made["weights"] = packing.pad(weights[:rows])
    for name in ("final_hidden", "final_late", *(("final_cell",) if cell is not None else ())):
        made[name] = packing.unsort(made[name])
    return _answer(made)


def _empty(
    inputs: Tensor,
    hidden: Tensor,
    late: Tensor,
    mask: Tensor | None,
    lengths: Tensor | None,
    keys: Tensor,
    values: Tensor,
    energy_weight: Tensor | None,
    combine: Tensor | None,
    form: Form,
) -> dict[str, Tensor]:
    time, batch, _ = inputs.shape
    ragged, luong = lengths is not None, combine is not None

    def rows(width: int, there: bool = True) -> Tensor:
        return inputs.new_empty((time * batch, width) if there else (0,))

    return {
        **empty(inputs, hidden, mask, lengths, form),
        "late": inputs.new_empty(time, batch, late.shape[1]),
        "weights": inputs.new_empty(time, batch, keys.shape[1]),
        "final_late": torch.empty_like(late, memory_format=torch.contiguous_format),
        "asked": rows(keys.shape[2], energy_weight is not None),
        "packed_weights": rows(keys.shape[1], ragged),
        "packed_late": rows(late.shape[1], ragged),
        "context": rows(values.shape[2] + hidden.shape[1], luong),
        "fed": rows(late.shape[1], luong),
    }


def _answer(made: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return tuple(
        made[key] for key in ("output", "late", "weights", "final_hidden", "final_cell", "final_late", *_KEPT)
    )


def _shapes(*given: Any) -> tuple[Tensor, ...]:
    inputs, hidden, _, late, *_, mask, lengths, keys, values, _, _, energy_weight, combine, form = given
    return _answer(
        _empty(inputs, hidden, late, mask, lengths, keys, values, energy_weight, combine, FORMS[form])
    )


def attentive_backward(
    grad_output: Tensor | None,
    grad_late: Tensor | None,
    grad_weights: Tensor | None,
    grad_final_hidden: Tensor | None,
    grad_final_cell: Tensor | None,
    grad_final_late: Tensor | None,
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor | None,
    late: Tensor,
    input_weight: Tensor,
    recurrent_weight: Tensor,
    peephole: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    keys: Tensor,
    values: Tensor,
    source_lengths: Tensor,
    query_weight: Tensor | None,
    energy_weight: Tensor | None,
    combine: Tensor | None,
    output: Tensor,
    late_output: Tensor,
    weights: Tensor,
    gates: Tensor,
    cells: Tensor,
    seen: Tensor,
    inner: Tensor,
    packed_output: Tensor,
    asked: Tensor,
    packed_weights: Tensor,
    packed_late: Tensor,
    context: Tensor,
    fed: Tensor,
    form: str,
) -> tuple[Tensor, ...]:
    """The gradients of ``inputs, hidden, cell, late, input_weight, recurrent_weight, bias, recurrent_bias,
    peephole, keys, values, query_weight, energy_weight, combine``, from what :func:`attentive` answered.
    Those that do not exist are empty."""
    f = FORMS[form]
    time, batch, columns = inputs.shape
    size, features = hidden.shape[1], values.shape[2]
    packing = Packing(lengths, time, batch)
    rows = packing.total
    luong, additive = combine is not None, energy_weight is not None
    states, attended, alpha = (
        (output.reshape(rows, -1), late_output.reshape(rows, -1), weights.reshape(rows, -1))
        if lengths is None
        else (packed_output[:rows], packed_late[:rows], packed_weights[:rows])
    )
    first = packing.sort(hidden)
    assert first is not None
    before = seen[:rows] if seen.numel() and mask is None else packing.before(first, states)

    def final(given: Tensor | None, like: Tensor) -> Tensor:
        ordered = packing.sort(given)
        return inputs.new_zeros(like.shape) if ordered is None else ordered.clone()

    def over_time(given: Tensor | None, width: int) -> Tensor:
        return inputs.new_zeros(rows, width) if given is None else packing.pack(given)

    grads = inputs.new_empty(rows, f.grad_gates * size)
    threads = torch.get_num_threads()
    kept: dict[str, Any] = {
        "weight": recurrent_weight.contiguous(),
        "peephole": contiguous(peephole),
        "mask": packing.sort(mask),
        "initial_hidden": first,
        "initial_cell": packing.sort(cell),
        "gates": gates,
        "output": states,
        "cells": cells,
        "seen": seen,
        "inner": inner,
        "grad_output": over_time(grad_output, size),
        "grad_hidden": final(grad_final_hidden, hidden),
        "grad_cell": nothing(inputs) if cell is None else final(grad_final_cell, cell),
        "grad_gates": grads,
        "grad_sums": inputs.new_zeros(threads, f.grad_gates + 3, size),
    }
    into: dict[str, Any] = {
        "grad_late": over_time(grad_late, late.shape[1]),
        "grad_final": final(grad_final_late, late),
        "grad_context": inputs.new_empty(rows, features + size) if luong else nothing(inputs),
        "grad_weights": None if grad_weights is None else packing.pack(grad_weights),
        "grad_energies": inputs.new_zeros(rows, keys.shape[1]),
        "grad_asked": inputs.new_zeros(rows, keys.shape[2]),
        "grad_keys": inputs.new_zeros(keys.shape) if additive else nothing(inputs),
        "grad_energy_weight": inputs.new_zeros(threads, keys.shape[2]) if additive else nothing(inputs),
    }
    if grad_late is not None and lengths is None:
        into["grad_late"] = into["grad_late"].clone()  # it is written to
    late_weight = input_weight[:, columns:]
    if f.reset_after:  # the recurrent product's gradient stands between those of the inputs' product
        late_weight = torch.cat(
            (late_weight[: 2 * size], late_weight.new_zeros(size, late.shape[1]), late_weight[2 * size :])
        )
    late_weight = late_weight.contiguous()
    constants = _constants(packing, keys, values, source_lengths, query_weight, energy_weight, combine, late)
    run_attentive(
        "backward",
        f,
        cell_arguments(f, packing, False, threads=_threads(packing, late, **kept), **kept),
        **constants,
        late_weight=late_weight,
        late_stride=late.shape[1],
        asked=asked,
        weights=alpha,
        context=context,
        attended=attended,
        **into,
    )

    grad_context = into["grad_context"][:, :features] if luong else into["grad_late"]
    grad_keys = into["grad_keys"]
    if not additive:
        grad_keys = packing.by_sentence(into["grad_energies"]) @ packing.pad(
            states if luong else before
        ).transpose(0, 1)
    grad_query_weight = nothing(inputs)
    if query_weight is not None:
        grad_query_weight = inputs.new_empty(query_weight.shape)
        product(into["grad_asked"].t(), states if luong else before, out=grad_query_weight)
    grad_combine = nothing(inputs)
    if combine is not None:
        grad_combine = inputs.new_empty(combine.shape)
        product(into["grad_late"].t(), context[:rows], out=grad_combine)
    else:
        into["grad_final"][: packing.offsets[1]] = 0  # no step reads the first context
    into_recurrent = inputs.new_empty(recurrent_weight.shape)
    met = f.state_rows * size
    product(grads[:, :met].t(), seen[:rows] if seen.numel() else before, out=into_recurrent[:met])
    if f.reset_before:
        product(grads[:, met:].t(), inner[:rows], out=into_recurrent[met:])
    seen_inputs = torch.cat((packing.pack(inputs), fed[:rows] if luong else attended), 1)
    return (
        packing.pad(input_gradient(f, grads, input_weight[:, :columns])),
        packing.unsort(kept["grad_hidden"]),
        nothing(inputs) if cell is None else packing.unsort(kept["grad_cell"]),
        packing.unsort(into["grad_final"]),
        input_weight_gradient(f, grads, seen_inputs),
        into_recurrent,
        *bias_gradients(f, kept["grad_sums"], peephole),
        grad_keys,
        packing.by_sentence(alpha) @ packing.pad(grad_context).transpose(0, 1),
        grad_query_weight,
        into["grad_energy_weight"].sum(0).view(energy_weight.shape)
        if energy_weight is not None
        else nothing(inputs),
        grad_combine,
    )


def _backward_shapes(*given: Any) -> tuple[Tensor, ...]:
    inputs, hidden, cell, late, input_weight, recurrent_weight, peephole = given[6:13]
    keys, values, _, query_weight, energy_weight, combine = given[15:21]
    f = FORMS[given[-1]]
    size = hidden.shape[1]

    def like(tensor: Tensor | None) -> Tensor:
        return inputs.new_empty((0,) if tensor is None else tensor.shape)

    return (
        *map(like, (inputs, hidden, cell, late, input_weight, recurrent_weight)),
        inputs.new_empty(f.gates * size),
        inputs.new_empty(size if f.reset_after else 0),
        *map(like, (peephole, keys, values, query_weight, energy_weight, combine)),
    )


_GIVEN = (
    "Tensor inputs, Tensor hidden, Tensor? cell, Tensor late, Tensor input_weight, Tensor recurrent_weight, "
    "{biases}Tensor? peephole, Tensor? mask, Tensor? lengths, Tensor keys, Tensor values, "
    "Tensor source_lengths, Tensor? query_weight, Tensor? energy_weight, Tensor? combine"
)
LIBRARY.define(
    f"attentive({_GIVEN.format(biases='Tensor bias, Tensor? recurrent_bias, ')}, str form)"
    f" -> ({', '.join(['Tensor'] * (6 + len(_KEPT)))})"
)
LIBRARY.define(
    "attentive_backward("
    + "".join(
        f"Tensor? grad_{name}, "
        for name in ("output", "late", "weights", "final_hidden", "final_cell", "final_late")
    )
    + _GIVEN.format(biases="")
    + "".join(f", Tensor {name}" for name in ("output", "late_output", "weights", *_KEPT))
    + f", str form) -> ({', '.join(['Tensor'] * 14)})"
)
LIBRARY.impl("attentive", attentive, "CPU")
LIBRARY.impl("attentive_backward", attentive_backward, "CPU")
torch.library.register_fake("unrolled::attentive", _shapes, lib=LIBRARY)
torch.library.register_fake("unrolled::attentive_backward", _backward_shapes, lib=LIBRARY)
