"""Looking on while any model runs: every cell's way through time, whatever model it is part of.

:func:`unrolled.nn.unroll.unroll` is the one door through which cells run, so a model need not know that it is
watched, nor hand anything on. Built on ``unroll``'s own arguments, it works on a cell of one's own as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.nn.cells import Cell, State
from unrolled.nn.result import Unrolled

EVERYTHING = "*"
"""In ``unroll(record=…)``: every gate that is noted."""


@dataclass(frozen=True, eq=False)
class Passage:
    """One cell's way through time.

    Attributes:
        inputs: what it was given, ``(time, batch, input)``.
        output: what it answered, ``(time, batch, output)``, zero past each length.
        record: every gate and state it noted, ``(time, batch, …)``.
        reverse: whether it went from the last step to the first.
        nudges: zeros that were added to the hidden state (the first tensor of the state) after each step,
            ``(time, batch, hidden)``: the gradient of a loss at them is ∂loss/∂a⟨t⟩, by every way in which
            the state takes part in what comes later. None unless asked for.
    """

    cell: Cell
    inputs: Float[Tensor, "time batch input"]
    output: Float[Tensor, "time batch output"]
    record: dict[str, Tensor]
    reverse: bool = False
    nudges: Float[Tensor, "time batch hidden"] | None = None


_watcher: ContextVar[_Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(*, gates: bool = False, nudges: bool = False) -> Iterator[list[Passage]]:
    """Within the block, every cell that is unrolled adds its :class:`Passage` to the list.

    Args:
        gates: record whatever the cells note.
        nudges: make the hidden states' gradients known; inputs that have no gradient get one, too. The cells
            then run step by step.
    """
    watcher = _Watcher(gates, nudges)
    token = _watcher.set(watcher)
    try:
        yield watcher.passages
    finally:
        _watcher.reset(token)


def watched(run: Callable[..., Unrolled]) -> Callable[..., Unrolled]:
    """``run(cell, inputs, state, *, record, …)``, seen by whoever is watching."""

    def seen(cell: Cell, inputs: Tensor, state: State, *, record: Sequence[str], **options: Any) -> Unrolled:
        watcher = _watcher.get()
        if watcher is None:
            return run(cell, inputs, state, record=record, **options)
        return watcher.see(run, cell, inputs, state, record, options)

    return seen


@dataclass(frozen=True)
class _Watcher:
    gates: bool
    nudges: bool
    passages: list[Passage] = field(default_factory=list)
    leaves: dict[Tensor, Tensor] = field(default_factory=dict)

    def see(
        self,
        run: Callable[..., Unrolled],
        cell: Cell,
        inputs: Tensor,
        state: State,
        record: Sequence[str],
        options: dict[str, Any],
    ) -> Unrolled:
        if self.gates:
            record = (EVERYTHING,)
        if not self.nudges:
            answer, nudges = run(cell, inputs, state, record=record, **options), None
        else:
            if not inputs.requires_grad:
                # What several cells read (both directions of a layer) stays one tensor.
                inputs = self.leaves.setdefault(inputs, inputs.detach().requires_grad_())
            nudges = inputs.new_zeros((*inputs.shape[:2], state[0].shape[-1]), requires_grad=True)
            nudged = _Nudged(cell, nudges.shape[-1])
            # What was a path within the cell is one within the cell around it.
            record = [f"cell.{name}" if "." in name else name for name in record]
            answer = run(nudged, torch.cat([inputs, nudges], dim=-1), state, record=record, **options)
            noted = {name.removeprefix("cell."): value for name, value in answer.record.items()}
            answer = replace(answer, record=noted)
        self.passages.append(Passage(cell, inputs, answer.output, answer.record, options["reverse"], nudges))
        return answer


class _Nudged(Cell):
    """A cell to whose hidden state the last columns of its input are added after each step."""

    def __init__(self, cell: Cell, nudge_size: int) -> None:
        super().__init__(cell.input_size + nudge_size, cell.hidden_size, cell.output_size)
        self.cell = cell
        self.nudge_size = nudge_size

    def project(self, inputs: Tensor) -> Any:
        projected = self.cell.project(inputs[..., : -self.nudge_size])
        parts = (projected,) if isinstance(projected, Tensor) else tuple(projected)
        return (*parts, inputs[..., -self.nudge_size :])

    def step(self, projected: Any, state: State, memory: Any = None) -> State:
        *parts, nudge = projected
        hidden, *others = self.cell.step(parts[0] if len(parts) == 1 else tuple(parts), state, memory)
        return (hidden + nudge, *others)

    def output(self, state: State) -> Tensor:
        return self.cell.output(state)
