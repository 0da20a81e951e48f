"""The gradients of a traced step's run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from unrolled.kernels.product import product
from unrolled.kernels.program import Kind, Place
from unrolled.nn.traced.layout import Layout, place
from unrolled.nn.traced.operations import Operation, Trace, Value


class Back:
    """The gradients of one run."""

    def __init__(
        self,
        layout: Layout,
        tensors: Sequence[Tensor],
        needed: Sequence[bool],
        grads: Sequence[Tensor | None],
    ) -> None:
        self.layout, self.found = layout, layout.found
        found, rows = layout.found, layout.rows
        self.parts, self.state, self.invariants = found.apart(tensors)
        first, second = len(self.parts), len(self.parts) + len(self.state)
        self.needs_parts, self.needs_states = needed[:first], needed[first:second]
        self.needs = dict(zip(self.invariants, needed[second:], strict=True))
        output, *final = grads
        self.output = (
            rows.sort(output, 1) if output is not None else layout.like.new_zeros(found.output.width)
        )
        self.carried = [
            layout.like.new_zeros(layout.batch, value.width) if grad is None else rows.sort(grad, 0).clone()
            for value, grad in zip(found.states, final, strict=True)
        ]
        self.made: dict[int, Tensor] = {}
        self.into_parts: dict[int, Tensor] = {}
        self.into_constants: dict[int, Tensor] = {}
        # Of a product's result every step's gradient is kept: the matrix's is one product with them.
        self.over_time = {
            id(o.out.root) for o in (*found.operations, *found.hoisted) if o.out and o.matrix >= 0
        }

    def answers(self) -> list[Tensor | None]:
        """Of the projected parts, the states and the invariants."""
        layout, found, rows = self.layout, self.found, self.layout.rows
        operations = list(_with_gradients(found))
        layout.run([layout.operation(o, first) for o, first in operations], self._place)
        into: dict[int, Tensor] = {}
        for o in (*found.hoisted, *found.operations):
            if o.kind is Kind.MULTIPLY_MATRIX:
                self._into_matrix(o, into)
        for o in found.hoisted:
            if self.needs_parts[o.a.root.number]:
                self._into_part(o)
        for number, gradient in self.into_constants.items():
            vector = self.invariants[number].ndim == 1
            total = gradient.sum(0) if vector else rows.unsort(gradient, 0)
            into[number] = total if number not in into else into[number] + total
        return [
            *(rows.unsort(self._part(i), 1) if needs else None for i, needs in enumerate(self.needs_parts)),
            *(
                rows.unsort(carried, 0) if needs else None
                for carried, needs in zip(self.carried, self.needs_states, strict=True)
            ),
            *(into.get(number) if needs else None for number, needs in self.needs.items()),
        ]

    def _wanted(self, root: Value) -> bool:
        if root.origin == "projected":
            return bool(self.needs_parts[root.number])
        if root.origin == "constant":
            return bool(self.needs[root.number])
        return True

    def _place(self, value: Value) -> Place | None:
        root = value.root
        if not self._wanted(root):
            return None
        if root.origin == "constant" and self.invariants[root.number].ndim == 1:
            sums = self._constant(root)  # a row for each group of rows
            return Place(sums[:, value.column :], group=sums.stride(0))
        return place(self._tensor(root), value.column)

    def _tensor(self, root: Value) -> Tensor:
        if root.origin == "projected":
            return self._part(root.number)
        if root.origin in ("state", "next"):
            return self.carried[root.number]
        if root.origin == "output":
            return self.output
        if root.origin == "constant":
            return self._constant(root)
        layout = self.layout
        if id(root) not in self.made:
            kept = id(root) in self.over_time
            make = layout.room if kept else layout.like.new_empty
            self.made[id(root)] = make(layout.time if kept else layout.batch, root.width)
        return self.made[id(root)]

    def _part(self, number: int) -> Tensor:
        """The gradient of a projected part; parts that only hoisted products read are written there."""
        if number not in self.into_parts:
            part = self.layout.parts[number]
            self.into_parts[number] = torch.zeros_like(part, memory_format=torch.contiguous_format)
        return self.into_parts[number]

    def _constant(self, root: Value) -> Tensor:
        if root.number not in self.into_constants:
            layout = self.layout
            vector = self.invariants[root.number].ndim == 1
            rows = layout.rows.groups if vector else layout.batch
            self.into_constants[root.number] = layout.like.new_zeros(rows, root.width)
        return self.into_constants[root.number]

    def _into_matrix(self, o: Operation, into: dict[int, Tensor]) -> None:
        assert o.out is not None
        gradient = self._tensor(o.out.root).flatten(0, 1)
        if self.needs.get(o.matrix):
            matrix = self.invariants[o.matrix]
            if o.matrix not in into:  # laid out as the matrix is, which most often is a transposed one
                into[o.matrix] = torch.zeros_like(matrix.t(), memory_format=torch.contiguous_format).t()
            rows = into[o.matrix][o.row : o.row + o.a.width]
            product(gradient.t(), self.layout.steps(o.a), out=rows.t(), accumulate=True)
        if o.bias >= 0 and self.needs.get(o.bias):
            total = gradient.sum(0)
            into[o.bias] = total if o.bias not in into else into[o.bias] + total

    def _into_part(self, o: Operation) -> None:
        assert o.out is not None
        into = self._part(o.a.root.number)[..., o.a.column : o.a.column + o.a.width].flatten(0, 1)
        product(self._tensor(o.out.root).flatten(0, 1), self.layout.matrix(o).t(), out=into, accumulate=True)


def _with_gradients(found: Trace) -> Iterator[tuple[Operation, tuple[bool, bool]]]:
    """The operations, with whether each operand's gradient begins there, going backward.

    A root whose parts do not each begin somewhere starts as zeros, by an operation that the way back meets
    before any other that adds to it.
    """
    ends = len(found.operations) - len(found.next)
    roots = {id(value): value for value in (*found.states, *(o.out.root for o in found.operations if o.out))}
    pieces: dict[int, set[tuple[int, int]]] = {}
    for value in (value for o in found.operations for value in o.operands):
        roots.setdefault(id(value.root), value.root)
        pieces.setdefault(id(value.root), set()).add((value.column, value.width))
    zeroed = {
        key: root
        for key, root in roots.items()
        if root.origin in ("made", "state") and not _tiled(pieces.get(key, set()), root.width)
    }
    begun: set[tuple[int, int]] = set()

    def first(value: Value | None) -> bool:
        if value is None or id(value.root) in zeroed or value.root.origin in ("constant", "projected"):
            return False
        key = (id(value.root), value.column)
        fresh = key not in begun
        begun.add(key)
        return fresh

    flags = [(first(o.a), first(o.b)) for o in reversed(found.operations)][::-1]
    marked = list(zip(found.operations, flags, strict=True))
    begin = [(root.origin, (Operation(Kind.NOTHING, root), (True, False))) for root in zeroed.values()]
    yield from marked[:ends]
    # A state's gradient is its successor's until that has been read.
    yield from (each for origin, each in begin if origin == "state")
    yield from marked[ends:]
    yield from (each for origin, each in begin if origin == "made")


def _tiled(pieces: set[tuple[int, int]], width: int) -> bool:
    """Whether pieces ``(column, width)`` cover a width, each place once."""
    at = 0
    for column, size in sorted(pieces):
        if column != at:
            return False
        at += size
    return at == width
