"""The recurrent cells over whole sequences, as torch operators: ``unrolled::recurrence`` and its backward.

Both are plain functions of tensors, without autograd; :mod:`unrolled.nn.fused` gives them their gradient.
Inputs and outputs are padded and time-major; within, sequences are packed (see ``native/recurrence.h``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.kernels.calls import FORMS, Form, contiguous, run
from unrolled.kernels.operators import LIBRARY
from unrolled.kernels.packing import Packing
from unrolled.kernels.product import product


def nothing(like: Tensor) -> Tensor:
    """An answer that is not there. Never twice the same: an operator's answers share no memory."""
    return like.new_empty(0)


def recurrence(
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor | None,
    input_weight: Tensor,
    recurrent_weight: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor | None,
    peephole: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    form: str,
    reverse: bool,
    training: bool,
) -> tuple[Tensor, ...]:
    """A cell over ``inputs (time, batch, input)`` from ``hidden`` and ``cell (batch, hidden)``.

    Answers ``(output (time, batch, hidden), final hidden, final cell)`` and, when ``training``, what the
    backward pass needs, in packed order: gates, memory cells, seen states, inner values, output. Absent ones
    are empty.
    """
    f = FORMS[form]
    time, batch, _ = inputs.shape
    packing = Packing(lengths, time, batch)
    rows = packing.total
    made = empty(inputs, hidden, mask, lengths, f)
    packed_output = made["output"] if lengths is None else made["packed_output"]
    product(packing.pack(inputs), input_weight.t(), bias=bias, out=made["gates"][:rows])
    run(
        "forward",
        f,
        packing,
        reverse,
        training=training,
        weight=recurrent_weight.contiguous(),
        recurrent_bias=contiguous(recurrent_bias),
        peephole=contiguous(peephole),
        mask=packing.sort(mask),
        initial_hidden=packing.sort(hidden),
        initial_cell=packing.sort(cell),
        **{**made, "output": packed_output, "packed_output": None},
    )
    if lengths is not None:
        made["output"] = packing.pad(packed_output[:rows])
    made["final_hidden"] = packing.unsort(made["final_hidden"])
    if f.kernel == "lstm":
        made["final_cell"] = packing.unsort(made["final_cell"])
    return _answer(made, training)


_KEPT = ("gates", "cells", "seen", "inner", "packed_output")


def empty(
    inputs: Tensor, hidden: Tensor, mask: Tensor | None, lengths: Tensor | None, form: Form
) -> dict[str, Tensor]:
    """Room for what the forward kernel makes: for every row, so that shapes depend on shapes alone."""
    time, batch, _ = inputs.shape
    size, ragged, lstm = hidden.shape[1], lengths is not None, form.kernel == "lstm"

    def rows(there: bool = True, width: int = size) -> Tensor:
        return inputs.new_empty((time * batch, width) if there else (0,))

    return {
        "output": inputs.new_empty(time, batch, size),
        "final_hidden": inputs.new_empty(batch, size),
        "final_cell": inputs.new_empty((batch, size) if lstm else (0,)),
        "gates": rows(width=form.gates * size),
        "cells": rows(lstm),
        "seen": rows(ragged or mask is not None),
        "inner": rows(form.inner),
        "packed_output": rows(ragged),
    }


def _answer(made: dict[str, Tensor], training: bool) -> tuple[Tensor, ...]:
    kept = (made[key] if training else made["output"].new_empty(0) for key in _KEPT)
    return made["output"], made["final_hidden"], made["final_cell"], *kept


def _recurrence_shapes(
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor | None,
    input_weight: Tensor,
    recurrent_weight: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor | None,
    peephole: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    form: str,
    reverse: bool,
    training: bool,
) -> tuple[Tensor, ...]:
    return _answer(empty(inputs, hidden, mask, lengths, FORMS[form]), training)


def recurrence_backward(
    grad_output: Tensor | None,
    grad_final_hidden: Tensor | None,
    grad_final_cell: Tensor | None,
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor | None,
    input_weight: Tensor,
    recurrent_weight: Tensor,
    peephole: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    output: Tensor,
    gates: Tensor,
    cells: Tensor,
    seen: Tensor,
    inner: Tensor,
    packed_output: Tensor,
    form: str,
    reverse: bool,
    needs_inputs: bool,
    needs_weights: bool,
) -> tuple[Tensor, ...]:
    """The gradients of ``inputs, hidden, cell, input_weight, recurrent_weight, bias, recurrent_bias,
    peephole``, from what :func:`recurrence` answered when training. Those that do not exist or are not needed
    are empty."""
    f = FORMS[form]
    time, batch, _ = inputs.shape
    size = hidden.shape[1]
    packing = Packing(lengths, time, batch)
    rows = packing.total

    def state_gradient(given: Tensor | None) -> Tensor:
        sorted_rows = packing.sort(given)
        return inputs.new_zeros(batch, size) if sorted_rows is None else sorted_rows.clone()

    grad_hidden = state_gradient(grad_final_hidden)
    grad_cell = state_gradient(grad_final_cell) if cell is not None else inputs.new_empty(0)
    grads = inputs.new_empty(rows, f.grad_gates * size)
    sums = inputs.new_zeros(torch.get_num_threads(), f.grad_gates + 3, size)
    all_output = output.reshape(rows, size) if lengths is None else packed_output
    first = packing.sort(hidden)
    assert first is not None
    run(
        "backward",
        f,
        packing,
        reverse,
        weight=recurrent_weight.contiguous(),
        peephole=contiguous(peephole),
        mask=packing.sort(mask),
        initial_hidden=first,
        initial_cell=packing.sort(cell),
        gates=gates,
        output=all_output,
        cells=cells,
        seen=seen,
        inner=inner,
        grad_output=inputs.new_zeros(rows, size) if grad_output is None else packing.pack(grad_output),
        grad_hidden=grad_hidden,
        grad_cell=grad_cell,
        grad_gates=grads,
        grad_sums=sums,
    )
    answers = [
        packing.pad(input_gradient(f, grads, input_weight)) if needs_inputs else nothing(inputs),
        packing.unsort(grad_hidden),
        packing.unsort(grad_cell) if cell is not None else nothing(inputs),
    ]
    if not needs_weights:
        return (*answers, *(nothing(inputs) for _ in range(5)))
    into_recurrent = torch.empty_like(recurrent_weight, memory_format=torch.contiguous_format)
    met = grads[:, : f.state_rows * size].t()
    if seen.numel():
        product(met, seen[:rows], out=into_recurrent[: f.state_rows * size])
    else:
        begin, end = (batch, rows) if not reverse else (0, rows - batch)
        before = all_output[: rows - batch] if not reverse else all_output[batch:]
        start = slice(0, batch) if not reverse else slice(rows - batch, rows)
        product(met[:, begin:end], before, out=into_recurrent[: f.state_rows * size])
        product(met[:, start], first, out=into_recurrent[: f.state_rows * size], accumulate=True)
    if f.reset_before:
        product(grads[:, 2 * size :].t(), inner[:rows], out=into_recurrent[2 * size :])
    return (
        *answers,
        input_weight_gradient(f, grads, packing.pack(inputs)),
        into_recurrent,
        *bias_gradients(f, sums, peephole),
    )


def _input_parts(form: Form, grads: Tensor) -> list[tuple[Tensor, slice]]:
    """Gradients of the inputs' product, and the rows of the input weight they belong to.

    The reset-after candidate has two products, each with its gradient: the third is the recurrent one's.
    """
    if not form.reset_after:
        return [(grads, slice(None))]
    size = grads.shape[1] // 4
    return [(grads[:, : 2 * size], slice(0, 2 * size)), (grads[:, 3 * size :], slice(2 * size, None))]


def input_gradient(form: Form, grads: Tensor, input_weight: Tensor) -> Tensor:
    """``(rows, input)``."""
    made = grads.new_empty(len(grads), input_weight.shape[1])
    for i, (part, which) in enumerate(_input_parts(form, grads)):
        product(part, input_weight[which], out=made, accumulate=i > 0)
    return made


def input_weight_gradient(form: Form, grads: Tensor, inputs: Tensor) -> Tensor:
    """From all rows' ``inputs (rows, input)``."""
    made = grads.new_empty(form.gates * grads.shape[1] // form.grad_gates, inputs.shape[1])
    for part, which in _input_parts(form, grads):
        product(part.t(), inputs, out=made[which])
    return made


def bias_gradients(form: Form, sums: Tensor, peephole: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Of ``bias``, ``recurrent_bias`` and ``peephole``, from what each thread's rows came to."""
    totals = sums.sum(0)
    bias, recurrent_bias = totals[: form.grad_gates], nothing(sums)
    if form.reset_after:
        bias, recurrent_bias = torch.cat((totals[:2], totals[3:4])), totals[2].clone()
    through = nothing(sums) if peephole is None else totals[form.grad_gates :].clone()
    return bias.flatten().clone(), recurrent_bias, through


def _recurrence_backward_shapes(
    grad_output: Tensor | None,
    grad_final_hidden: Tensor | None,
    grad_final_cell: Tensor | None,
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor | None,
    input_weight: Tensor,
    recurrent_weight: Tensor,
    peephole: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    output: Tensor,
    gates: Tensor,
    cells: Tensor,
    seen: Tensor,
    inner: Tensor,
    packed_output: Tensor,
    form: str,
    reverse: bool,
    needs_inputs: bool,
    needs_weights: bool,
) -> tuple[Tensor, ...]:
    f = FORMS[form]

    def like(tensor: Tensor | None, there: bool) -> Tensor:
        return inputs.new_empty(tensor.shape if there and tensor is not None else (0,))

    size = hidden.shape[1]
    return (
        like(inputs, needs_inputs),
        like(hidden, True),
        like(cell, True),
        like(input_weight, needs_weights),
        like(recurrent_weight, needs_weights),
        inputs.new_empty((f.gates * size,) if needs_weights else (0,)),
        inputs.new_empty((size,) if needs_weights and f.reset_after else (0,)),
        like(peephole, needs_weights),
    )


_EIGHT = ", ".join(["Tensor"] * 8)
LIBRARY.define(
    "recurrence(Tensor inputs, Tensor hidden, Tensor? cell, Tensor input_weight, Tensor recurrent_weight, "
    "Tensor bias, Tensor? recurrent_bias, Tensor? peephole, Tensor? mask, Tensor? lengths, str form, "
    f"bool reverse, bool training) -> ({_EIGHT})"
)
LIBRARY.define(
    "recurrence_backward(Tensor? grad_output, Tensor? grad_final_hidden, Tensor? grad_final_cell, "
    "Tensor inputs, Tensor hidden, Tensor? cell, Tensor input_weight, Tensor recurrent_weight, "
    "Tensor? peephole, Tensor? mask, Tensor? lengths, Tensor output, Tensor gates, Tensor cells, "
    "Tensor seen, Tensor inner, Tensor packed_output, str form, bool reverse, bool needs_inputs, "
    "bool needs_weights) -> "
    f"({_EIGHT})"
)
LIBRARY.impl("recurrence", recurrence, "CPU")
LIBRARY.impl("recurrence_backward", recurrence_backward, "CPU")
torch.library.register_fake("unrolled::recurrence", _recurrence_shapes, lib=LIBRARY)
torch.library.register_fake("unrolled::recurrence_backward", _recurrence_backward_shapes, lib=LIBRARY)
