"""Where a traced step's quantities are, for one run through time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, pairwise

import torch
from torch import Tensor

from unrolled.kernels import program
from unrolled.kernels.product import product
from unrolled.kernels.program import Kind, Place
from unrolled.nn.traced.operations import Operation, Trace, Value


class Rows:
    """The batch in the order in which groups of rows are followed: each group's longest sequence first."""

    def __init__(self, lengths: Tensor | None, batch: int) -> None:
        self.order: Tensor | None = None
        self.lengths: Tensor | None = None
        self.groups = groups = program.groups(batch)  # of this run, there and back
        if lengths is None:
            return
        bounds = [batch * g // groups for g in range(groups + 1)]
        room = [end - begin for begin, end in pairwise(bounds)]
        dealt: list[list[int]] = [[] for _ in room]
        turns = cycle(range(groups))
        for row in lengths.argsort(descending=True, stable=True).tolist():
            dealt[next(g for g in turns if len(dealt[g]) < room[g])].append(row)
        self.order = torch.tensor([row for group in dealt for row in group], device="cpu")
        self.lengths = lengths.cpu().long()[self.order]

    def sort(self, tensor: Tensor, dim: int) -> Tensor:
        """Rows along ``dim`` in this order, features contiguous."""
        if self.order is not None:
            return tensor.index_select(dim, self.order)
        return tensor if tensor.stride(-1) == 1 else tensor.contiguous()

    def unsort(self, tensor: Tensor, dim: int) -> Tensor:
        return tensor if self.order is None else tensor.index_select(dim, self.order.argsort())


class Layout:
    """Where the quantities of a trace are, for one run."""

    def __init__(
        self,
        found: Trace,
        rows: Rows,
        reverse: bool,
        keep: bool,
        parts: Sequence[Tensor],
        state: Sequence[Tensor],
        invariants: dict[int, Tensor],
    ) -> None:
        self.found, self.rows, self.reverse = found, rows, reverse
        self.time, self.batch = parts[0].shape[:2]
        self.like = parts[0]
        self.parts = [rows.sort(part, 1) for part in parts]
        self.invariants = invariants
        self.over_time = {id(o.out.root) for o in found.hoisted if o.out} | (_kept(found) if keep else set())
        # The state before the first step, and after each.
        self.slots = [self.room(self.time + 1, part.shape[1]) for part in state]
        for slots, part in zip(self.slots, state, strict=True):
            begin = rows.sort(part.detach(), 0)
            if rows.lengths is None:
                slots[self.time if reverse else 0] = begin
            elif reverse:  # a row's first step is its last
                slots.copy_(begin.expand_as(slots))
            else:
                slots[0] = begin
        self.output = self.room(self.time, found.output.width)
        self.tensors: dict[int, Tensor] = {}
        self.numbers: dict[tuple[int, int], int] = {}
        self.quantities: list[Value] = []

    def room(self, time: int, width: int) -> Tensor:
        """``(time, batch, width)``; what no real step writes is zero."""
        make = self.like.new_empty if self.rows.lengths is None else self.like.new_zeros
        return make(time, self.batch, width)

    def tensor(self, root: Value) -> Tensor:
        """All of a root's steps that are kept."""
        if id(root) not in self.tensors:
            self.tensors[id(root)] = self._tensor(root)
        return self.tensors[id(root)]

    def _tensor(self, root: Value) -> Tensor:
        if root.origin == "projected":
            return self.parts[root.number].detach()
        if root.origin in ("state", "next"):
            later = (root.origin == "next") != self.reverse
            return self.slots[root.number][int(later) :][: self.time]
        if root.origin == "output":
            return self.output.detach()  # what is answered has a graph that holds this
        if root.origin == "constant":
            constant = self.invariants[root.number].detach()
            return constant if constant.ndim == 1 else self.rows.sort(constant, 0)
        if id(root) in self.over_time:
            return self.room(self.time, root.width)
        return self.like.new_empty(self.batch, root.width)

    def steps(self, value: Value) -> Tensor:
        """``(time·batch, width)`` of a value at every step."""
        tensor = self.tensor(value.root)
        if tensor.ndim < 3:
            tensor = tensor.expand(self.time, self.batch, tensor.shape[-1])
        return tensor[..., value.column : value.column + value.width].flatten(0, 1)

    def number(self, value: Value | None) -> int:
        if value is None:
            return -1
        key = (id(value.root), value.column)
        if key not in self.numbers:
            self.numbers[key] = len(self.quantities)
            self.quantities.append(value)
        return self.numbers[key]

    def operation(self, o: Operation, first: tuple[bool, bool] = (False, False)) -> program.Operation:
        matrix = bias = None
        if o.kind is Kind.MULTIPLY_MATRIX:
            matrix, bias = self.matrix(o), self.bias(o)
        return program.Operation(
            o.kind,
            self.number(o.a),
            self.number(o.b),
            self.number(o.out),
            (o.out or o.a).width,
            o.factor,
            o.term,
            matrix,
            bias,
            o.accumulate,
            *first,
        )

    def run(
        self,
        operations: Sequence[program.Operation],
        gradient: Callable[[Value], Place | None] | None = None,
    ) -> None:
        """Forward; or backward, where each value's ``gradient`` has a place, or is not asked for."""
        program.run(
            operations,
            [place(self.tensor(value.root), value.column) for value in self.quantities],
            None if gradient is None else [gradient(value) for value in self.quantities],
            steps=self.time,
            batch=self.batch,
            groups=self.rows.groups,
            lengths=self.rows.lengths,
            reverse=self.reverse,
            like=self.like,
        )

    def matrix(self, o: Operation) -> Tensor:
        """What a product multiplies by."""
        return self.invariants[o.matrix].detach()[o.row : o.row + o.a.width]

    def bias(self, o: Operation) -> Tensor | None:
        return self.invariants[o.bias].detach().contiguous() if o.bias >= 0 else None

    def hoist(self, o: Operation) -> None:
        """A product of inputs alone, for all steps."""
        assert o.out is not None
        product(
            self.steps(o.a), self.matrix(o), bias=self.bias(o), out=self.steps(o.out), accumulate=o.accumulate
        )


def place(tensor: Tensor, column: int) -> Place:
    """Of ``(time, batch, width)``, ``(batch, width)`` or ``(width)``."""
    strides = (0, 0, *tensor.stride()[:-1])[-2:]
    return Place(tensor[..., column:], *strides)


def _kept(found: Trace) -> set[int]:
    """The roots that the way back reads."""
    read: set[int] = set()
    for o in found.operations:
        needs: Iterable[Value | None] = ()
        if o.kind in (Kind.MULTIPLY, Kind.DIVIDE, Kind.GREATER, Kind.LESSER):
            needs = o.operands
        elif o.kind in (Kind.SIGMOID, Kind.TANH, Kind.EXP, Kind.RECIPROCAL, Kind.SOFTMAX):
            needs = (o.out,)
        elif o.kind in (Kind.RELU, Kind.ABSOLUTE, Kind.MULTIPLY_MATRIX):
            needs = (o.a,)
        elif o.kind is Kind.NORMALIZE:
            needs = (o.a, o.out)
        read.update(id(value.root) for value in needs if value is not None)
    return read
