"""What a traced step is: operations on rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from unrolled.kernels.program import Kind


class Untraceable(BaseException):  # no Exception: a cell must not catch it
    """A step that is no list of operations; says why."""


@dataclass(eq=False)
class Value:
    """Rows ``(batch, width)``: all of a root's columns or some of them.

    ``origin`` is ``"made"``, ``"projected"``, ``"state"``, ``"constant"``, ``"next"`` (a state after the
    step) or ``"output"``; ``number`` is its place among its like, or the constant's invariant.
    """

    width: int
    origin: str = "made"
    number: int = -1
    whole: Value | None = None
    column: int = 0
    parts: tuple[Value, ...] = ()
    """What it was joined from, if it was."""
    placed: bool = True
    """False while it is joined in name only."""

    @property
    def root(self) -> Value:
        return self if self.whole is None else self.whole

    def cut(self, start: int, width: int) -> Value:
        """Some of its columns."""
        return replace(self, width=width, whole=self.root, column=self.column + start, parts=())


@dataclass
class Operation:
    """``out`` from ``a`` and ``b``; ``matrix``, from its row ``row`` on, and ``bias`` are invariants."""

    kind: Kind
    a: Value
    b: Value | None = None
    out: Value | None = None
    factor: float = 1.0
    term: float = 0.0
    matrix: int = -1
    row: int = 0
    bias: int = -1
    accumulate: bool = False

    @property
    def operands(self) -> tuple[Value, ...]:
        return (self.a,) if self.b is None else (self.a, self.b)


@dataclass
class Invariant:
    """A tensor that is the same at every step: given, or made from others."""

    value: Tensor
    make: Callable[[Callable[[int], Tensor]], Tensor] | None = None


@dataclass
class Trace:
    """A step. ``hoisted`` are products of the inputs alone, which can be made for all steps at once."""

    operations: list[Operation]
    hoisted: list[Operation]
    projected: list[Value]
    states: list[Value]
    next: list[Value]
    output: Value
    invariants: list[Invariant] = field(repr=False)

    def used(self) -> list[int]:
        """The invariants that operations name, in order."""
        every = [*self.hoisted, *self.operations]
        constants = [v.root.number for o in every for v in o.operands if v.root.origin == "constant"]
        named = [number for o in every for number in (o.matrix, o.bias) if number >= 0]
        return sorted({*constants, *named})

    def apart(
        self, tensors: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor], dict[int, Tensor]]:
        """What a run is given: the projected parts, the state, and by number the invariants that are used."""
        first, second = len(self.projected), len(self.projected) + len(self.states)
        return tensors[:first], tensors[first:second], dict(zip(self.used(), tensors[second:], strict=True))

    def evaluate(self, numbers: Sequence[int]) -> list[Tensor]:
        """Invariants as parts of autograd's graph."""
        made: dict[int, Tensor] = {}

        def value(number: int) -> Tensor:
            if number not in made:
                invariant = self.invariants[number]
                made[number] = invariant.value if invariant.make is None else invariant.make(value)
            return made[number]

        return [value(number) for number in numbers]
