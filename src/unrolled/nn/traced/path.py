"""The door: a cell of one's own through time on native kernels.

Where a step can be traced, a sequence costs one native call forward and one back, whatever the step computes;
where not, the loop runs it as it is written.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from unrolled.nn import native
from unrolled.nn.cells import Cell, State
from unrolled.nn.result import Unrolled
from unrolled.nn.traced.backward import Back
from unrolled.nn.traced.layout import Layout, Rows
from unrolled.nn.traced.operations import Trace, Untraceable
from unrolled.nn.traced.replay import again
from unrolled.nn.traced.tracer import trace

_refused: WeakKeyDictionary[Cell, dict[tuple[bool, bool], str]] = WeakKeyDictionary()
"""Cells whose step could not be followed, in which mode (training, gradients), and why."""


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
    """:func:`unrolled.nn.unroll.unroll` for a traceable cell on a CPU; None where that does not apply."""
    time, batch = inputs.shape[:2]
    tensors = (inputs, *state, *cell.parameters())
    if record or not inputs.numel() or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    if any(type(t) not in (Tensor, nn.Parameter) for t in tensors) or not native.applies(*tensors):
        return None
    if any(part.ndim != 2 for part in state):
        return None
    mode = (cell.training, torch.is_grad_enabled())
    if mode in _refused.get(cell, ()):
        return None
    generator, chance = torch.get_rng_state(), _chance()
    projected = cell.project(inputs)
    parts, wrap = ((projected,), _only) if isinstance(projected, Tensor) else (projected, tuple)
    try:
        _check(parts, time, batch, inputs.dtype)
        found = trace(cell, [part[0] for part in parts], wrap, state, memory)
        if pickle.dumps(_chance()) != pickle.dumps(chance):
            raise Untraceable("a choice by chance")
    except Untraceable as reason:
        _refused.setdefault(cell, {})[mode] = str(reason)
        torch.set_rng_state(generator)  # the loop will draw what was drawn here
        random.setstate(chance[0])
        np.random.set_state(chance[1])  # noqa: NPY002
        return None
    given = (*parts, *state, *found.evaluate(found.used()))
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    output, *final = _Through.apply(found, lengths, reverse, keep, *given)
    return Unrolled(output, tuple(final))


def why_not(cell: Cell) -> str | None:
    """Why a cell's step could not be traced when it was last tried; None if it could, or was not tried."""
    return next(iter(_refused.get(cell, {}).values()), None)


def _chance() -> tuple[Any, Any]:
    """Where Python's and NumPy's generators stand; what PyTorch's draw, the tracer sees."""
    return random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002


def _only(parts: Sequence[Tensor]) -> Tensor:
    return parts[0]


def _check(parts: Any, time: int, batch: int, dtype: torch.dtype) -> None:
    if not parts:
        raise Untraceable("no projection")
    for part in parts:
        if not isinstance(part, Tensor) or part.ndim != 3 or part.shape[:2] != (time, batch):
            raise Untraceable("a projection of another form")
        if part.dtype != dtype or not part.shape[2]:
            raise Untraceable("a projection of another type")


class _Through(Function):
    @staticmethod
    def forward(
        ctx: Any, found: Trace, lengths: Tensor | None, reverse: bool, keep: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        parts, state, invariants = found.apart(tensors)
        rows = Rows(lengths, parts[0].shape[1])
        layout = Layout(found, rows, reverse, keep, parts, state, invariants)
        for o in found.hoisted:
            layout.hoist(o)
        layout.run([layout.operation(o) for o in found.operations])
        final = [slots[0] if reverse else slots[layout.time] for slots in layout.slots]
        if rows.lengths is not None and not reverse:
            final = [slots[rows.lengths, torch.arange(layout.batch, device="cpu")] for slots in layout.slots]
        ctx.set_materialize_grads(False)
        if keep:
            ctx.save_for_backward(*tensors)
            ctx.layout, ctx.lengths = layout, lengths
        output, layout.output = layout.output, layout.output.detach()
        return rows.unsort(output, 1), *(rows.unsort(part, 0).clone() for part in final)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        layout: Layout = ctx.layout
        needed = ctx.needs_input_grad[4:]
        if all(grad is None for grad in grads):
            return (None,) * (4 + len(needed))
        tensors = ctx.saved_tensors  # an input changed in place is noticed here
        if torch.is_grad_enabled():
            answers = again(layout, ctx.lengths, tensors, needed, grads)
        else:
            answers = Back(layout, tensors, needed, grads).answers()
        return (None, None, None, None, *answers)
