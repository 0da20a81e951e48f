"""RNN, GRU and LSTM through time by native kernels: the equations of ``nn/cells.py``, one call for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import recurrent
from unrolled.kernels.packing import Packing
from unrolled.nn import loop, native
from unrolled.nn.cells import GRU, LSTM, RNN, Cell, State
from unrolled.nn.graph import apart, gradient_graph
from unrolled.nn.result import Unrolled
from unrolled.nn.substitute import substitute
from unrolled.nn.watch import EVERYTHING


def unroll(
    cell: Cell,
    inputs: Tensor,
    state: State,
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
    memory: Any = None,
    record: Sequence[str] = (),
) -> Unrolled | None:
    """:func:`unrolled.nn.unroll.unroll` for the built-in cells on a CPU; None where that does not apply."""
    form = form_of(cell)
    tensors = (inputs, *state, *cell.parameters(), *(() if memory is None else (memory,)))
    if form is None or not _applies(cell, inputs, state, memory, tensors):
        return None
    needs_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    places = places_of(cell)
    if EVERYTHING in record:
        record = list(places)
    if record and (needs_gradient or any(name not in places for name in record)):
        return None  # gates that are part of a graph, or a name for the reference to refuse
    output, hidden, memory_cell, gates, cells, *_ = torch.ops.unrolled.recurrence.default(
        inputs,
        state[0],
        state[1] if len(state) > 1 else None,
        cell.input_weight,
        cell.recurrent_weight,
        cell.bias,
        getattr(cell, "recurrent_bias", None),
        getattr(cell, "peephole", None),
        memory,
        lengths,
        form,
        reverse,
        needs_gradient or bool(record),
    )
    final = (hidden, memory_cell) if len(state) > 1 else (hidden,)
    if not record:
        return Unrolled(output, final)
    packing = Packing(lengths, *inputs.shape[:2])
    return Unrolled(output, final, {name: noted(cell, name, gates, cells, packing) for name in record})


def noted(cell: Cell, name: str, gates: Tensor, cells: Tensor, packing: Packing) -> Tensor:
    """What a built-in cell noted, from where the kernels leave it, ``(time, batch, hidden)``."""
    place, size = places_of(cell)[name], cell.hidden_size
    rows = cells if place is None else gates[:, place * size : (place + 1) * size]
    return packing.pad(rows[: packing.total].contiguous())


def form_of(cell: Cell) -> str | None:
    """The kernels' name of the equation, of a built-in cell that nothing was derived from."""
    if type(cell) is RNN:
        return f"rnn {cell.nonlinearity}"
    if type(cell) is GRU:
        return f"gru {cell.reset}"
    if type(cell) is LSTM:
        return f"lstm {cell.peepholes} {cell.output_nonlinearity}"
    return None


def places_of(cell: Cell) -> dict[str, int | None]:
    """Where the kernels leave what a cell notes: a gate's place, or None for the memory cell."""
    if not isinstance(cell, GRU | LSTM):
        return {}
    places: dict[str, int | None] = {gate: i for i, gate in enumerate(cell.gates)}
    return {**places, "cell": None} if type(cell) is LSTM else places


def _applies(cell: Cell, inputs: Tensor, state: State, memory: Any, tensors: Sequence[Any]) -> bool:
    time, batch = inputs.shape[:2]
    return (
        time * batch > 0
        and native.applies(*tensors)
        and cell.bias.dtype == inputs.dtype
        and fits(cell, inputs.shape[2])
        and len(state) == (2 if isinstance(cell, LSTM) else 1)
        and all(part.shape == (batch, cell.hidden_size) for part in state)
        and (memory is None or (memory.shape == state[0].shape and not memory.requires_grad))
    )


def fits(cell: Any, input_size: int) -> bool:
    """Whether a built-in cell's weights still have the sizes it was made with: the kernels do not look."""
    size, rows = cell.hidden_size, len(cell.gates) * cell.hidden_size
    more: Any = None
    wanted: Any = None
    if isinstance(cell, GRU) and cell.reset == "after":
        more, wanted = cell.recurrent_bias, (size,)
    elif isinstance(cell, LSTM) and cell.peepholes != "none":
        more, wanted = cell.peephole, (3, size)
    return (
        cell.input_weight.shape == (rows, input_size)
        and cell.recurrent_weight.shape == (rows, size)
        and cell.bias.shape == (rows,)
        and getattr(more, "shape", None) == wanted
    )


def equation(form: str, read: Callable[[str], Tensor | None]) -> Cell:
    """The reference cell of a form, its parameters what ``read`` gives for their names."""
    kind, *options = form.split()
    make: dict[str, Callable[..., Cell]] = {
        "rnn": lambda nonlinearity: RNN(1, 1, nonlinearity=nonlinearity, device="meta"),
        "gru": lambda reset: GRU(1, 1, reset=reset, device="meta"),
        "lstm": lambda peepholes, output: LSTM(1, 1, peepholes=peepholes, output=output, device="meta"),
    }
    cell = substitute(make[kind](*options), lambda name, _: read(name))  # type: ignore[arg-type, return-value]
    recurrent_weight, input_weight = cell.recurrent_weight, cell.input_weight
    assert isinstance(recurrent_weight, Tensor)
    assert isinstance(input_weight, Tensor)
    cell.input_size = input_weight.shape[1]
    cell.hidden_size = cell.output_size = recurrent_weight.shape[1]
    return cell


_INPUTS = (
    "inputs",
    "hidden",
    "cell",
    "input_weight",
    "recurrent_weight",
    "bias",
    "recurrent_bias",
    "peephole",
    "mask",
    "lengths",
)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.form, ctx.reverse, training = inputs
    made, kept = output[0], output[3:]
    ctx.mark_non_differentiable(*kept)
    ctx.set_materialize_grads(False)
    if training:
        ctx.save_for_backward(*tensors, made, *kept)


def _gradient(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    given = dict(zip(_INPUTS, saved, strict=False))
    needed = ctx.needs_input_grad[1:]
    if all(grad is None for grad in grads[:3]):
        return (None,) * 13
    if torch.is_grad_enabled():
        answers = _reference_gradient(ctx, given, grads[:3])
    else:
        answers = torch.ops.unrolled.recurrence_backward.default(
            *grads[:3],
            *(given[name] for name in _INPUTS if name not in ("bias", "recurrent_bias")),
            *saved[len(_INPUTS) :],
            ctx.form,
            ctx.reverse,
            needed[0],
            any(needed[3:8]),
        )
    return (*(answer if need else None for answer, need in zip(answers, needed, strict=False)), *(None,) * 5)


def _reference_gradient(
    ctx: Any, given: dict[str, Tensor | None], grads: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """The gradient as a graph of its own, for a gradient of the gradient: by the reference path."""
    given = dict(zip(given, apart(given.values()), strict=True))
    inputs, hidden = given["inputs"], given["hidden"]
    assert inputs is not None
    assert hidden is not None
    cell = equation(ctx.form, given.__getitem__)
    state = (hidden,) if given["cell"] is None else (hidden, given["cell"])
    made = loop.unroll(
        cell, inputs, state, lengths=given["lengths"], reverse=ctx.reverse, memory=given["mask"]
    )
    names = [name for name, need in zip(_INPUTS, ctx.needs_input_grad[1:], strict=False) if need]
    answers = gradient_graph((made.output, *made.state), grads, {name: given[name] for name in names})
    return tuple(answers.get(name) for name in _INPUTS[:8])


class _Recurrence(torch.autograd.Function):
    """What ``torch.library.register_autograd`` makes of the two, without its cost at each call."""

    @staticmethod
    def forward(ctx: Any, keys: Any, *inputs: Any) -> tuple[Tensor, ...]:
        made = _below(keys, *inputs)
        _keep(ctx, inputs, made)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return (None, *_gradient(ctx, *grads))


def _below(keys: Any, *inputs: Any) -> tuple[Tensor, ...]:
    with torch._C._AutoDispatchBelowAutograd():
        operator = torch.ops.unrolled.recurrence.default
        return operator.redispatch(keys & torch._C._after_autograd_keyset, *inputs)


def _differentiable(keys: Any, *inputs: Any) -> tuple[Tensor, ...]:
    if torch.is_grad_enabled() and torch._C._any_requires_grad(*inputs):
        return _Recurrence.apply(keys, *inputs)
    return _below(keys, *inputs)


recurrent.LIBRARY.impl("recurrence", _differentiable, "Autograd", with_keyset=True)
