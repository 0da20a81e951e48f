"""The decoders of ``nn/attentive.py`` through given words by native kernels, one call for all steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import attentive
from unrolled.kernels.packing import Packing
from unrolled.nn import loop, native
from unrolled.nn.attention import (
    AdditiveAttention,
    Attention,
    AttentionMemory,
    DotAttention,
    GeneralAttention,
)
from unrolled.nn.attentive import Attentional, Bahdanau, DecoderMemory, Luong
from unrolled.nn.cells import LSTM, Cell, State
from unrolled.nn.fused import equation, fits, form_of, noted, places_of
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
    """:func:`unrolled.nn.unroll.unroll` for Bahdanau's and Luong's decoder around a built-in cell on a CPU;
    None where that does not apply."""
    if type(cell) not in (Bahdanau, Luong) or reverse:
        return None
    assert isinstance(cell, Bahdanau | Luong)
    inner, attention = cell.cell, cell.attention
    form = form_of(inner)
    gates_of = {f"cell.{name}": name for name in places_of(inner)}
    wanted = _wanted(record, ["attention", "hidden", *gates_of])
    if wanted is None or (torch.is_grad_enabled() and any(name in gates_of for name in wanted)):
        return None  # gates that are part of a graph, or a name for the reference to refuse
    if form is None or type(attention) not in (AdditiveAttention, GeneralAttention, DotAttention):
        return None
    if not isinstance(memory, DecoderMemory) or not _applies(cell, inputs, state, memory):
        return None
    source = memory.attention
    states, late, weights, hidden, memory_cell, final_late, gates, cells, *_ = (
        torch.ops.unrolled.attentive.default(
            inputs,
            state[0],
            state[1] if len(state) > 2 else None,
            state[-1],
            inner.input_weight,
            inner.recurrent_weight,
            inner.bias,
            getattr(inner, "recurrent_bias", None),
            getattr(inner, "peephole", None),
            memory.cell,
            lengths,
            source.keys,
            source.values,
            source.lengths,
            getattr(attention, "query_weight", None),
            getattr(attention, "energy_weight", None),
            cell.attentional.weight if isinstance(cell, Luong) else None,
            form,
        )
    )
    final = (hidden, memory_cell, final_late) if len(state) > 2 else (hidden, final_late)
    if isinstance(cell, Bahdanau):
        late = torch.cat((states, late), dim=-1)  # [s⟨t⟩, context⟨t⟩]
    packing = Packing(lengths, *inputs.shape[:2])
    own = {"attention": weights, "hidden": states}
    found = {
        name: own[name] if name in own else noted(inner, gates_of[name], gates, cells, packing)
        for name in wanted
    }
    return Unrolled(late, final, found)


def _wanted(record: Sequence[str], known: Sequence[str]) -> list[str] | None:
    """The paths that names ask for, as the loop understands them; None for an unknown one."""
    if EVERYTHING in record:
        return list(known)
    found = {name: [path for path in known if name in (path, path.rpartition(".")[2])] for name in record}
    return [path for paths in found.values() for path in paths] if all(found.values()) else None


def _applies(cell: Bahdanau | Luong, inputs: Tensor, state: State, memory: DecoderMemory) -> bool:
    source, mask, inner = memory.attention, memory.cell, cell.cell
    batch, bias = inputs.shape[1], inner.bias
    assert isinstance(bias, Tensor)
    tensors = (inputs, *state, *cell.parameters(), bias, source.keys, source.values)
    return (
        native.applies(*tensors, *(() if mask is None else (mask,)))
        and inputs.numel() > 0
        and source.seats is None
        and source.values.shape[1] > 0
        and source.keys.shape == (batch, source.values.shape[1], cell.attention.size)
        and source.values.shape == (*source.keys.shape[:2], cell.attention.feature_size)
        and source.lengths.shape == (batch,)
        and cell.attention.query_size == inner.hidden_size
        and fits(inner, inputs.shape[2] + state[-1].shape[1])
        and _weights_fit(cell)
        and len(state) == (3 if isinstance(inner, LSTM) else 2)
        and all(part.shape == (batch, inner.hidden_size) for part in state[:-1])
        and state[-1].shape == (batch, cell.carried_size)
        and (mask is None or (mask.shape == state[0].shape and not mask.requires_grad))
    )


def _weights_fit(cell: Bahdanau | Luong) -> bool:
    """Whether the weights that the kernels read beside the inner cell's have their sizes."""
    attention = cell.attention
    query, features, size = attention.query_size, attention.feature_size, attention.size
    if isinstance(attention, AdditiveAttention) and (
        attention.query_weight.shape != (size, query) or attention.energy_weight.shape != (1, size)
    ):
        return False
    return isinstance(cell, Bahdanau) or cell.attentional.weight.shape == (
        cell.carried_size,
        features + query,
    )


_INPUTS = (
    "inputs",
    "hidden",
    "cell",
    "late",
    "input_weight",
    "recurrent_weight",
    "bias",
    "recurrent_bias",
    "peephole",
    "mask",
    "lengths",
    "keys",
    "values",
    "source_lengths",
    "query_weight",
    "energy_weight",
    "combine",
)
_WITHOUT_GRADIENT = ("mask", "lengths", "source_lengths")
_MADE = 6
"""Answers of the operator that are somebody's; the rest are kept for the backward pass."""


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.form = inputs
    ctx.mark_non_differentiable(*output[_MADE:])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, *output[:3], *output[_MADE:])


def _gradient(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    given = dict(zip(_INPUTS, saved, strict=False))
    if all(grad is None for grad in grads[:_MADE]):
        return (None,) * (len(_INPUTS) + 1)
    wanted = [name for name, need in zip(_INPUTS, ctx.needs_input_grad, strict=False) if need]
    if torch.is_grad_enabled():
        found = _reference_gradient(ctx.form, given, grads[:_MADE], wanted)
    else:
        answers = torch.ops.unrolled.attentive_backward.default(
            *grads[:_MADE],
            *(given[name] for name in _INPUTS if name not in ("bias", "recurrent_bias")),
            *saved[len(_INPUTS) :],
            ctx.form,
        )
        found = dict(zip((n for n in _INPUTS if n not in _WITHOUT_GRADIENT), answers, strict=True))
    return (*(found[name] if name in wanted else None for name in _INPUTS), None)


def _reference_gradient(
    form: str, given: dict[str, Tensor | None], grads: Sequence[Tensor | None], wanted: Sequence[str]
) -> dict[str, Tensor | None]:
    """The gradient as a graph of its own, for a gradient of the gradient: by the reference path."""
    given = dict(zip(given, apart(given.values()), strict=True))
    inputs, hidden, late, keys = given["inputs"], given["hidden"], given["late"], given["keys"]
    values, source_lengths, combine = given["values"], given["source_lengths"], given["combine"]
    assert inputs is not None
    assert hidden is not None
    assert late is not None
    assert keys is not None
    assert values is not None
    assert source_lengths is not None
    inner = equation(form, given.__getitem__)
    attention = _attention(given, hidden.shape[1], values.shape[2], keys.shape[2])
    cell: Cell
    if combine is None:
        cell = Bahdanau(inner, attention)
    else:
        attentional = substitute(
            Attentional(attention, late.shape[1]), lambda name, p: combine if name == "weight" else p
        )
        cell = Luong(inner, attentional)
    state = tuple(part for part in (hidden, given["cell"], late) if part is not None)
    memory = DecoderMemory(AttentionMemory(keys, values, source_lengths), given["mask"])
    made = loop.unroll(
        cell, inputs, state, lengths=given["lengths"], memory=memory, record=("attention", "hidden")
    )
    outputs = (made.record["hidden"], made.output[..., -late.shape[1] :], made.record["attention"])
    finals = made.state if len(made.state) > 2 else (made.state[0], made.state[0], made.state[1])
    return gradient_graph((*outputs, *finals), grads, {name: given[name] for name in wanted})


def _attention(given: dict[str, Tensor | None], query: int, features: int, size: int) -> Attention:
    """The reference attention over given keys: additive, or sᵀ key, whatever made the keys."""
    with torch.device("meta"):
        if given["energy_weight"] is None:
            return GeneralAttention(query, features)
        additive = AdditiveAttention(query, features, size)
    return substitute(
        additive, lambda name, parameter: p if (p := given.get(name)) is not None else parameter
    )


torch.library.register_autograd("unrolled::attentive", _gradient, setup_context=_keep, lib=attentive.LIBRARY)
