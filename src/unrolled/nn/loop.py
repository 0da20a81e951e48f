"""Any cell through time, one step after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import UserError, counted, nearest
from unrolled.nn.cells import Cell, State, recording
from unrolled.nn.deferred import defer, end
from unrolled.nn.result import Unrolled
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
) -> Unrolled:
    """:func:`unrolled.nn.unroll.unroll`, for any cell.

    Raises:
        UserError: a step that returns no state; a recorded name that is not noted.
    """
    time, batch = inputs.shape[:2]
    alive = _Alive(lengths, time, inputs.device)
    projected = _steps(cell.project(inputs), time)  # one product already: there is nothing to defer in it
    given, cell = cell, defer(cell, time)
    tape = _Tape(cell, time, record)
    outputs: list[Any] = [None] * time
    # A reversed sequence walks its padding first: its state stays as it began until its last real step.
    with recording(tape) if record else nullcontext():
        for t in reversed(range(time)) if reverse else range(time):
            tape.t = t
            new = cell.step(projected[t], state, memory)
            # A tensor would pass for its rows.
            if not isinstance(new, tuple | list) or len(new) != len(state):
                kind, count = type(cell).__name__, counted(len(state), "tensor")
                raise UserError(f"{kind}.step must return a tuple of {count}, as initial_state does")
            state = alive.choose(t, new, state)
            outputs[t] = cell.output(state)
    end(given, cell)
    output = alive.stack(outputs) if time else inputs.new_zeros(0, batch, cell.output_size)
    return Unrolled(output, state, {name: alive.stack(values) for name, values in tape.values.items()})


def _steps(projected: Any, time: int) -> Sequence[Any]:
    """One entry a step. ``unbind`` has one backward for all steps; each index would have one of full size."""
    if isinstance(projected, Tensor):
        return projected.unbind(0)
    return list(zip(*(part.unbind(0) for part in projected), strict=True)) or [()] * time


class _Alive:
    """Which rows still have a real step at each time; free where all have."""

    def __init__(self, lengths: Tensor | None, time: int, device: torch.device) -> None:
        self.mask: Tensor | None = None
        self.full = time
        if lengths is not None and len(lengths) and int(lengths.min()) < time:
            self.full = int(lengths.min())
            self.mask = torch.arange(time, device=device)[:, None] < lengths.to(device)

    def choose(self, t: int, new: State, old: State) -> State:
        """The new state where there was a step, else the old."""
        if self.mask is None or t < self.full:
            return new
        mask = self.mask[t]
        return tuple(torch.where(_broadcast(mask, n), n, o) for n, o in zip(new, old, strict=True))

    def stack(self, values: Sequence[Tensor]) -> Tensor:
        """Over time, zero past each length."""
        stacked = torch.stack(list(values))
        return stacked if self.mask is None else stacked.where(_broadcast(self.mask, stacked), 0)


def _broadcast(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(mask.shape + (1,) * (like.ndim - mask.ndim))


class _Tape:
    """Keeps what the cells note at each step, under each cell's path within the outermost one.

    A cell that stands in several places is taken to be used in their order.
    """

    def __init__(self, cell: Cell, time: int, wanted: Sequence[str]) -> None:
        self.t = 0
        self.time = time
        self.wanted = set(wanted)
        self.noted: set[str] = set()
        self.all: dict[str, list[Any]] = {}
        self.paths: dict[nn.Module, list[str]] = {}
        for path, module in cell.named_modules(remove_duplicate=False):
            self.paths.setdefault(module, []).append(f"{path}." if path else "")
        self.times: Counter[tuple[int, Cell, str]] = Counter()  # that a cell has noted a name in a step

    def __call__(self, cell: Cell, name: str, value: Tensor) -> None:
        self.noted.add(name)
        paths = self.paths.get(cell, [""])
        path = paths[0] + name
        if len(paths) > 1:
            key = (self.t, cell, name)
            path = paths[min(self.times[key], len(paths) - 1)] + name
            self.times[key] += 1
        if not self.wanted.isdisjoint((name, path, EVERYTHING)):
            self.all.setdefault(path, [None] * self.time)[self.t] = value

    @property
    def values(self) -> dict[str, list[Any]]:
        """Path → value at each step.

        Raises:
            UserError: a name that no cell noted.
        """
        for name in self.wanted - {EVERYTHING} if self.time else ():
            if not any(name in (path, path.rpartition(".")[2]) for path in self.all):
                raise UserError(f"record={name!r}: this cell does not note it; {nearest(name, self.noted)}")
        return self.all
