"""What a step that is being watched has computed so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_iter, tree_map_only

from unrolled.kernels.program import Kind
from unrolled.nn.cells import State
from unrolled.nn.traced.operations import Invariant, Operation, Trace, Untraceable, Value


class Recorder:
    """Tensors that were seen, each a value of the step or an invariant, and the operations between them."""

    def __init__(self, like: Tensor) -> None:
        self.batch, self.dtype = like.shape[0], like.dtype
        self.tensors: list[Tensor] = []  # all that was seen stays, so that memory names it
        self.values: dict[Any, Value] = {}
        self.known: dict[Any, int] = {}
        self.invariants: list[Invariant] = []
        self.operations: list[Operation] = []
        self.hoisted: list[Operation] = []
        self.constants: dict[tuple[int, int], Value] = {}
        self.learnt: set[int] = set()  # invariants that a gradient goes to

    def start(self, tensor: Tensor, origin: str, number: int) -> Value:
        """Something the step starts from, in memory of its own."""
        value = Value(tensor.shape[-1], origin, number)
        self._bind(tensor, value)
        return value

    def plain(self, tensor: Tensor) -> Tensor:
        """For the step to use in an invariant's place."""
        number = self.invariant(tensor)
        if tensor.requires_grad:
            self.learnt.add(number)
        return tensor.detach()

    # Values

    def _bind(self, tensor: Tensor, value: Value) -> None:
        if tensor.shape != (self.batch, value.width) or tensor.dtype != self.dtype:
            raise Untraceable(f"a quantity {tuple(tensor.shape)}, {tensor.dtype}")
        self.tensors.append(tensor)
        self.values[name_of(tensor)] = value

    def bind(self, result: Any, values: Any) -> None:
        """What a function answered: a tensor, or several of which the first have values."""
        single = isinstance(result, Tensor)
        for tensor, value in [(result, values)] if single else zip(result, values, strict=False):
            self._bind(tensor, value)

    def value(self, tensor: Any, width: int) -> Value:
        """An operand of an element-wise operation.

        Raises:
            Untraceable: it is repeated over the features of each row.
        """
        if not isinstance(tensor, Tensor):
            return self._constant(
                self.invariant(torch.full((1,), tensor, dtype=self.dtype, device="cpu")), width
            )
        value = self.values.get(name_of(tensor))
        if value is None:
            return self._constant(self.number(tensor), width)
        if value.width != width:
            raise Untraceable("rows of different width")
        return self._place(value)

    def _place(self, value: Value) -> Value:
        if not value.placed:
            value.placed, column = True, 0
            for part in value.parts:
                self.add(Kind.AFFINE, self._place(part), out=value.cut(column, part.width))
                column += part.width
        return value

    def add(
        self,
        kind: Kind,
        a: Value,
        b: Value | None = None,
        out: Value | None = None,
        *,
        factor: float = 1.0,
        term: float = 0.0,
    ) -> Value:
        """Another operation; answers what it makes."""
        out = out or Value(a.width)
        self.operations.append(Operation(kind, a, b, out, factor, term))
        return out

    # Invariants

    def invariant(
        self, tensor: Tensor, make: Callable[[Callable[[int], Tensor]], Tensor] | None = None
    ) -> int:
        """Notes one, as it is or as ``make`` makes it of others; answers its number."""
        self.tensors.append(tensor)
        self.invariants.append(Invariant(tensor, make))
        self.known[name_of(tensor)] = len(self.invariants) - 1
        return len(self.invariants) - 1

    def number(self, tensor: Tensor) -> int:
        """Of an invariant: one that is not known comes from outside the step."""
        found = self.known.get(name_of(tensor))
        return self.invariant(tensor) if found is None else found

    def derive(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Invariants made of invariants.

        Raises:
            Untraceable: what was made is no tensor, or the same one by another name.
        """
        made = [result] if isinstance(result, Tensor) else result
        if not isinstance(made, list | tuple) or not all(isinstance(each, Tensor) for each in made):
            raise Untraceable("a number that is read")
        # A wrapped number stands for a tensor among the arguments, until it is made again.
        arguments = tree_map_only(Tensor, lambda t: _Reference(self.number(t)), (args, kwargs))
        learnt = any(isinstance(r, _Reference) and r.number in self.learnt for r in tree_iter(arguments))
        if learnt and func is torch.ops.aten.detach.default:
            raise Untraceable("a parameter without its gradient")

        def remake(value: Callable[[int], Tensor], pick: int | None) -> Tensor:
            a, k = tree_map_only(_Reference, lambda r: value(r.number), arguments)
            again = func(*a, **k)
            return again if pick is None else again[pick]

        for i, each in enumerate(made):
            pick = None if isinstance(result, Tensor) else i
            number = self.invariant(each, lambda value, pick=pick: remake(value, pick))  # type: ignore[misc]
            if learnt:
                self.learnt.add(number)

    def _constant(self, number: int, width: int) -> Value:
        """An invariant as an operand: a vector for all rows, or a row each."""
        if (number, width) not in self.constants:
            tensor = self.invariants[number].value
            if tensor.dtype != self.dtype:
                raise Untraceable("another type of number")
            if tensor.numel() == 1 or (tensor.shape[-1:] == (width,) and tensor.numel() == width):
                made = number
                if tensor.shape != (width,) or not tensor.is_contiguous():
                    made = self.invariant(_vector(tensor, width), lambda value: _vector(value(number), width))
            elif tensor.shape == (self.batch, width):
                made = number
            else:
                raise Untraceable("a constant of another shape")
            self.constants[number, width] = Value(width, "constant", made)
        return self.constants[number, width]

    # Operations

    def product(self, left: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Value:
        """``left · matrix (+ bias)``: of what was joined a product each, those of inputs alone hoisted."""
        a = self.values.get(name_of(left))
        if a is None or name_of(matrix) in self.values or matrix.dtype != self.dtype:
            raise Untraceable("a product with what changes")
        out, number = Value(matrix.shape[1]), self.number(matrix)
        bias_number = -1
        if bias is not None:
            if name_of(bias) in self.values or bias.shape != (out.width,):
                raise Untraceable("a bias that is no vector")
            bias_number = self.number(bias)
        terms, row = [], 0
        for part in a.parts or (a,):
            terms.append((part.root.origin != "projected", self._place(part), row))
            row += part.width
        for i, (inside, part, row) in enumerate(sorted(terms, key=lambda term: term[0])):
            term = Operation(Kind.MULTIPLY_MATRIX, part, None, out, matrix=number, row=row, accumulate=i > 0)
            if i == 0:
                term.bias = bias_number
            (self.operations if inside else self.hoisted).append(term)
        return out

    def one(self, kind: Kind, a: Tensor, *, factor: float = 1.0, term: float = 0.0) -> Value:
        """An operation on one operand."""
        return self.add(kind, self.value(a, a.shape[-1]), factor=factor, term=term)

    def two(self, kind: Kind, a: Any, b: Any, *, factor: float = 1.0) -> Value:
        """One on two, of which one may be repeated for each row."""
        width = max(t.shape[-1] if t.ndim else 1 for t in (a, b) if isinstance(t, Tensor))
        return self.add(kind, self.value(a, width), self.value(b, width), factor=factor)

    def scaled_sum(self, a: Any, b: Any, alpha: float = 1) -> Value:
        """``a + alpha · b``."""
        if not isinstance(b, Tensor):
            return self.one(Kind.AFFINE, a, term=alpha * b)
        return self.two(Kind.ADD_SCALED, a, b, factor=alpha)

    def finish(self, parts: list[Value], states: list[Value], after: State, output: Tensor) -> Trace:
        """With the state and the output at places of their own, and nothing that they do not need."""
        if not isinstance(output, Tensor) or output.ndim != 2:
            raise Untraceable("an output of another form")
        results = [self.value(tensor, old.width) for tensor, old in zip(after, states, strict=True)]
        # A state that goes on to another's place, or stays, must be read before any is written.
        results = [
            self.add(Kind.AFFINE, value) if value.root.origin == "state" else value for value in results
        ]
        out = Value(output.shape[1], "output")
        self.add(Kind.AFFINE, self.value(output, out.width), out=out)
        last = [Value(value.width, "next", i) for i, value in enumerate(results)]
        ends = [Operation(Kind.AFFINE, value, None, to) for value, to in zip(results, last, strict=True)]
        live = {id(value.root) for value in results} | {id(out)}
        operations: list[Operation] = []
        for operation in reversed(self.operations):
            assert operation.out is not None
            if id(operation.out.root) in live:
                operations.append(operation)
                live.update(id(value.root) for value in operation.operands)
        hoisted = [o for o in self.hoisted if o.out is not None and id(o.out.root) in live]
        return Trace([*operations[::-1], *ends], hoisted, parts, states, last, out, self.invariants)


@dataclass(frozen=True)
class _Reference:
    number: int


def name_of(tensor: Tensor) -> Any:
    """The same for all tensors that are one: autograd hands a view on as another object."""
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _vector(tensor: Tensor, width: int) -> Tensor:
    return tensor.reshape(-1).expand(width).contiguous()
