"""The one door between mathematics and machine: run a cell through time, on the fastest path that applies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.errors import UserError
from unrolled.nn import fused, fused_attentive, loop, vendor
from unrolled.nn.cells import Cell, State
from unrolled.nn.result import Unrolled
from unrolled.nn.traced import path as traced
from unrolled.nn.watch import watched

__all__ = ["Unrolled", "unroll"]


def unroll(
    cell: Cell,
    inputs: Float[Tensor, "time batch input"],
    state: State | None = None,
    *,
    lengths: Int[Tensor, " batch"] | Sequence[int] | None = None,
    reverse: bool = False,
    memory: Any = None,
    record: Sequence[str] = (),
) -> Unrolled:
    """Run ``cell`` over ``inputs``, time first.

    The cell's forward pre-hooks (``torch.nn.utils.prune``) are called first, and their answers disregarded.
    Its other hooks, and those of cells within it, are not called.

    Args:
        state: the state before the first step; ``cell.initial_state`` unless given.
        lengths: real steps of each sequence, 0 to ``time``; all of them unless given.
        reverse: from each sequence's last real step to its first; outputs stay at their inputs' places.
        memory: constant over time and handed to every step.
        record: names of gates (``cell.note``) to return over time. Of a cell within the cell the name is its
            path, ``"cells.0.update"``; a bare ``"update"`` asks for every one, ``"*"`` for whatever is noted.
            Of no steps there is nothing to return.

    Raises:
        UserError: no cell; a size, a length or a recorded name that does not fit the cell.
    """
    if not callable(getattr(cell, "step", None)):
        raise UserError(
            f"unroll: {type(cell).__name__} is not a cell of unrolled.nn; a layer is called itself"
        )
    if inputs.ndim != 3 or inputs.shape[-1] != cell.input_size:
        raise UserError(
            f"unroll: inputs are {tuple(inputs.shape)}; this cell takes (time, batch, {cell.input_size})"
        )
    for key, hook in cell._forward_pre_hooks.items():  # a step is no forward: nobody else calls them
        hook(cell, (inputs,), *([{}] if key in cell._forward_pre_hooks_with_kwargs else []))
    time, batch = inputs.shape[:2]
    if lengths is not None:
        if not isinstance(lengths, Tensor):
            lengths = torch.as_tensor(lengths, device="cpu")
        if lengths.shape != (batch,) or (batch and lengths.is_floating_point()):
            raise UserError(f"unroll: lengths must be {batch} integers, one for each sequence of the batch")
        shortest, longest = (int(lengths.min()), int(lengths.max())) if batch else (time, time)
        if not 0 <= shortest <= longest <= time:
            raise UserError(f"unroll: lengths must lie in 0 to {time}, the time steps there are")
        if shortest == time:  # there is no padding
            lengths = None
    if isinstance(record, str):
        record = (record,)
    if state is None:
        state = cell.initial_state(batch, like=inputs)
    else:
        state = (state,) if isinstance(state, Tensor) else state
        wanted = state_shapes(cell, batch, inputs)
        if [tuple(part.shape) for part in state] != wanted:
            given = ", ".join(str(tuple(part.shape)) for part in state)
            raise UserError(f"unroll: state {given}: this cell takes {', '.join(map(str, wanted))}")
    return _fastest(cell, inputs, state, lengths=lengths, reverse=reverse, memory=memory, record=record)


def state_shapes(cell: Cell, batch: int, like: Tensor) -> list[tuple[int, ...]]:
    """Of a cell's state. Where its first one is drawn, nothing is drawn here."""
    with torch.random.fork_rng([like.device] if like.is_cuda else []):
        return [tuple(part.shape) for part in cell.initial_state(batch, like=like)]


@watched
def _fastest(cell: Cell, inputs: Tensor, state: State, **options: Any) -> Unrolled:
    # A single step is no sequence: laying a matrix out for a kernel costs more than using it once.
    sequence = len(inputs) > 1
    for path in (fused.unroll, fused_attentive.unroll, vendor.unroll) if sequence else ():
        answer = path(cell, inputs, state, **options)
        if answer is not None:
            return answer
    inputs = _without_padding(inputs, options["lengths"])
    answer = traced.unroll(cell, inputs, state, **options) if sequence else None
    return loop.unroll(cell, inputs, state, **options) if answer is None else answer


def _without_padding(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Past each length a real input: in the gradients of weights 0 times what is made of it must be 0, which
    it is not of NaN, nor of zeros in a cell that divides by its input's norm."""
    if lengths is None:
        return inputs
    real = torch.arange(len(inputs), device=inputs.device)[:, None] < lengths.to(inputs.device)
    longest = int(lengths.argmax())
    filler = inputs[0, longest].detach() if int(lengths[longest]) else inputs.new_zeros(())
    return inputs.where(real[..., None], filler)
