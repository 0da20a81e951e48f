"""The recurrent cells over whole sequences, as torch operators: ``unrolled::recurrence`` and its backward.

Both are plain functions of tensors, without autograd; :mod:`unrolled.nn.fused` gives them their gradient.
Inputs and outputs are padded and time-major; within, sequences are packed (see ``native/recurrence.h``).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.packing import Packing
from unrolled.kernels.product import product
from unrolled.kernels.structures import pointer, structure

_Recurrence = structure(
    "Recurrence",
    bytes="size",
    threads="size",
    steps="size",
    batch="size",
    hidden="size",
    offsets="pointer",
    reverse="size",
    variant="size",
    plain_output="size",
    training="size",
    weight="pointer",
    recurrent_bias="pointer",
    peephole="pointer",
    mask="pointer",
    initial_hidden="pointer",
    initial_cell="pointer",
    gates="pointer",
    output="pointer",
    cells="pointer",
    seen="pointer",
    inner="pointer",
    final_hidden="pointer",
    final_cell="pointer",
    grad_output="pointer",
    grad_hidden="pointer",
    grad_cell="pointer",
    grad_gates="pointer",
    grad_sums="pointer",
)


@dataclass(frozen=True)
class Form:
    """A cell's equation as the kernels know it."""

    kernel: str
    variant: int
    gates: int
    grad_gates: int
    """Gradients the backward kernel leaves a row; one more than gates where a gate's two products differ."""
    plain_output: bool = False

    @property
    def inner(self) -> bool:
        """Whether something between the gates is kept: Γr ∗ state, or the candidate's product."""
        return self.kernel == "gru" and self.gates == 3

    @property
    def reset_before(self) -> bool:
        return self.kernel == "gru" and self.variant == 0

    @property
    def reset_after(self) -> bool:
        return self.grad_gates > self.gates


FORMS = {
    "rnn tanh": Form("rnn", 0, 1, 1),
    "rnn relu": Form("rnn", 1, 1, 1),
    "gru before": Form("gru", 0, 3, 3),
    "gru after": Form("gru", 1, 3, 4),
    "gru none": Form("gru", 2, 2, 2),
    "lstm none tanh": Form("lstm", 0, 4, 4),
    "lstm current tanh": Form("lstm", 1, 4, 4),
    "lstm previous tanh": Form("lstm", 2, 4, 4),
    "lstm none identity": Form("lstm", 0, 4, 4, plain_output=True),
    "lstm current identity": Form("lstm", 1, 4, 4, plain_output=True),
    "lstm previous identity": Form("lstm", 2, 4, 4, plain_output=True),
}


@cache
def _kernel(name: str) -> Any:
    return function(f"unrolled_{name}", ctypes.POINTER(_Recurrence))


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _run(name: str, form: Form, packing: Packing, reverse: bool, **arguments: Any) -> None:
    """Call a kernel; tensors are handed over as pointers, empty ones as null."""
    tensors = {key: value for key, value in arguments.items() if isinstance(value, Tensor)}
    like = tensors["weight"]
    _kernel(f"{form.kernel}_{name}")(
        _Recurrence(
            bytes=like.element_size(),
            threads=torch.get_num_threads(),
            steps=packing.time,
            batch=packing.batch,
            hidden=like.shape[1],
            offsets=packing.offsets.data_ptr(),
            reverse=reverse,
            variant=form.variant,
            plain_output=form.plain_output,
            training=arguments.get("training", True),
            **{key: pointer(value) for key, value in tensors.items() if value.numel()},
        )
    )


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
    made = _empty(inputs, hidden, mask, lengths, f, training)
    packed_output = made["output"] if lengths is None else made["packed_output"]
    product(packing.pack(inputs), input_weight.t(), bias=bias.contiguous(), out=made["gates"][:rows])
    _run(
        "forward",
        f,
        packing,
        reverse,
        training=training,
        weight=recurrent_weight.contiguous(),
        recurrent_bias=_contiguous(recurrent_bias),
        peephole=_contiguous(peephole),
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


def _empty(
    inputs: Tensor, hidden: Tensor, mask: Tensor | None, lengths: Tensor | None, form: Form, training: bool
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
    return _answer(_empty(inputs, hidden, mask, lengths, FORMS[form], training), training)


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
    _run(
        "backward",
        f,
        packing,
        reverse,
        weight=recurrent_weight.contiguous(),
        peephole=_contiguous(peephole),
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
    nothing = inputs.new_empty(0)
    # The reset-after candidate has two products, each with its gradient: the third is the recurrent one's.
    split = 2 * size if f.reset_after else f.grad_gates * size
    parts = ((grads[:, :split], slice(0, split)), (grads[:, split + size :], slice(split, None)))

    grad_inputs = nothing
    if needs_inputs:
        flat = inputs.new_empty(rows, inputs.shape[2])
        for i, (part, which) in enumerate(parts[: 2 if f.reset_after else 1]):
            product(part, input_weight[which], out=flat, accumulate=i > 0)
        grad_inputs = packing.pad(flat)
    answers = [
        grad_inputs,
        packing.unsort(grad_hidden),
        packing.unsort(grad_cell) if cell is not None else nothing,
    ]
    if not needs_weights:
        return (*answers, nothing, nothing, nothing, nothing, nothing)

    packed = packing.pack(inputs)
    grad_input_weight = torch.empty_like(input_weight, memory_format=torch.contiguous_format)
    for part, which in parts[: 2 if f.reset_after else 1]:
        product(part.t(), packed, out=grad_input_weight[which])

    grad_recurrent_weight = torch.empty_like(recurrent_weight, memory_format=torch.contiguous_format)
    outer = 2 * size if f.reset_before else f.gates * size  # rows of the matrix that meet the state itself
    met = grads[:, :outer].t()
    if seen.numel():
        product(met, seen[:rows], out=grad_recurrent_weight[:outer])
    else:
        begin, end = (batch, rows) if not reverse else (0, rows - batch)
        before = all_output[: rows - batch] if not reverse else all_output[batch:]
        start = slice(0, batch) if not reverse else slice(rows - batch, rows)
        product(met[:, begin:end], before, out=grad_recurrent_weight[:outer])
        product(met[:, start], first, out=grad_recurrent_weight[:outer], accumulate=True)
    if f.reset_before:
        product(grads[:, outer:].t(), inner[:rows], out=grad_recurrent_weight[outer:])

    totals = sums.sum(0)
    grad_bias = totals[: f.grad_gates].reshape(-1)
    grad_recurrent_bias = nothing
    if f.reset_after:
        grad_bias = torch.cat((totals[:2], totals[3:4])).reshape(-1)
        grad_recurrent_bias = totals[2].clone()
    grad_peephole = nothing if peephole is None else totals[f.grad_gates :].clone()
    return (
        *answers,
        grad_input_weight,
        grad_recurrent_weight,
        grad_bias.clone(),
        grad_recurrent_bias,
        grad_peephole,
    )


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


LIBRARY = torch.library.Library("unrolled", "FRAGMENT")
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
