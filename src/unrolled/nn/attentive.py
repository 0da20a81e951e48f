"""Cells around cells: deep ones, and decoders that attend. Each is a :class:`~unrolled.nn.cells.Cell`.

``y⟨t−1⟩`` is the input (the previous word's vector), ``s`` the inner cell's output, ``[p, q]`` concatenation.
The inner cell may be any, a user's own included. Its input's first columns are known for all steps and go
through ``project`` once; its last columns exist only at the step and come in by ``join``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.nn.attention import Attention, AttentionMemory
from unrolled.nn.cells import Cell, State
from unrolled.nn.dropout import check_share, dropout


class DecoderMemory(NamedTuple):
    """What is constant over time for a decoder that attends.

    Attributes:
        attention: the source.
        cell: the inner cell's own memory (a variational-dropout mask), or None.
    """

    attention: AttentionMemory
    cell: Any = None


class Stacked(Cell):
    """A deep cell: at each step every cell's output is the next one's input (Graves 2013).

    Its state is the cells' states one after another, the first cell's first; its memory one entry a cell, or
    None.

    Args:
        dropout: share of a cell's output that the next one does not see at a training step.
    """

    def __init__(self, cells: Sequence[Cell], dropout: float = 0.0) -> None:
        super().__init__(cells[0].input_size, cells[-1].hidden_size, cells[-1].output_size)
        for below, above in pairwise(cells):
            if below.output_size != above.input_size:
                raise UserError(
                    f"Stacked: a cell's output has {below.output_size} features,"
                    f" the cell above it takes {above.input_size}"
                )
        self.cells: Sequence[Cell] = nn.ModuleList(cells)  # type: ignore[assignment]
        self.dropout = check_share("dropout", dropout)
        self.entries = [len(state_sizes(cell)) for cell in cells]

    def split(self, state: State) -> list[State]:
        """The state of each cell."""
        entries = iter(state)
        return [tuple(islice(entries, count)) for count in self.entries]

    def initial_state(self, batch: int, *, like: Tensor) -> State:
        return tuple(part for cell in self.cells for part in cell.initial_state(batch, like=like))

    def project(self, inputs: Tensor) -> Any:
        return self.cells[0].project(inputs)

    def join(self, projected: Any, late: Tensor) -> Any:
        return self.cells[0].join(projected, late)

    def step(self, projected: Any, state: State, memory: Sequence[Any] | None = None) -> State:
        memory = memory or [None] * len(self.cells)
        after: list[Tensor] = []
        below: Tensor | None = None
        for cell, before, constant in zip(self.cells, self.split(state), memory, strict=True):
            if below is not None:
                projected = project_one(cell, dropout(below, self.dropout, self.training))
            new = cell.step(projected, before, constant)
            below = cell.output(new)
            after += new
        return tuple(after)

    def output(self, state: State) -> Tensor:
        return self.cells[-1].output(state[-self.entries[-1] :])


class Attentive(Cell):
    """What the decoders share: an inner cell, and one more tensor at the end of its state.

    Their input is the inner cell's without its last ``late_size`` columns; their memory a
    :class:`DecoderMemory`. They note ``"attention"`` ``(batch, source)`` and ``"hidden"``, the inner cell's
    output.
    """

    def __init__(
        self, cell: Cell, attention: Attention, late_size: int, carried_size: int, output_size: int
    ) -> None:
        if attention.query_size != cell.output_size:
            raise UserError(
                f"{type(self).__name__}: the attention's query_size is {attention.query_size}; it must be the"
                f" inner cell's output_size, {cell.output_size}"
            )
        if cell.input_size <= late_size:
            raise UserError(
                f"{type(self).__name__}: the inner cell's input_size is {cell.input_size}; it must be the"
                f" word vector's size plus {late_size} for what attention adds"
            )
        super().__init__(cell.input_size - late_size, cell.hidden_size, output_size)
        self.cell = cell
        self.carried_size = carried_size

    def begin(self, inner: State) -> State:
        """The first state, from the inner cell's: nothing has been attended to."""
        return (*inner, inner[0].new_zeros(len(inner[0]), self.carried_size))

    def initial_state(self, batch: int, *, like: Tensor) -> State:
        return self.begin(self.cell.initial_state(batch, like=like))

    def project(self, inputs: Float[Tensor, "time batch input"]) -> Any:
        return self.cell.project(inputs) if _can_join(self.cell) else inputs

    def _check(self, memory: Any) -> None:
        if not isinstance(memory, DecoderMemory):
            name = type(self).__name__
            raise UserError(
                f"{name}: its memory must be a DecoderMemory, what attention.remember gives within it, not a"
                f" {type(memory).__name__}"
            )

    def _inner_step(self, projected: Any, late: Tensor, inner: State, memory: DecoderMemory) -> State:
        """One step of the inner cell on ``[y⟨t−1⟩, late]``."""
        if _can_join(self.cell):
            joined = self.cell.join(projected, late)
        else:
            joined = project_one(self.cell, torch.cat((projected, late), dim=-1))
        inner = self.cell.step(joined, inner, memory.cell)
        self.note("hidden", self.cell.output(inner))
        return inner


class Bahdanau(Attentive):
    """The decoder of Bahdanau, Cho & Bengio (2014, section 3.1): it looks before it moves.

    context⟨t⟩ = attention(s⟨t−1⟩); s⟨t⟩ = cell([y⟨t−1⟩, context⟨t⟩], s⟨t−1⟩). The output is
    [s⟨t⟩, context⟨t⟩]; the state is the inner cell's and the context.
    """

    def __init__(self, cell: Cell, attention: Attention) -> None:
        _check_kind("Bahdanau", attention, Attention)
        features = attention.feature_size
        super().__init__(cell, attention, features, features, cell.output_size + features)
        self.attention = attention

    def step(self, projected: Any, state: State, memory: Any = None) -> State:
        self._check(memory)
        inner = state[:-1]
        context, weights = self.attention(self.cell.output(inner), memory.attention)  # from s⟨t−1⟩
        self.note("attention", weights)
        inner = self._inner_step(projected, context, inner, memory)  # s⟨t⟩ = cell([y⟨t−1⟩, context], s⟨t−1⟩)
        return (*inner, context)

    def output(self, state: State) -> Tensor:
        return torch.cat((self.cell.output(state[:-1]), state[-1]), dim=-1)  # [s⟨t⟩, context⟨t⟩]


class Attentional(nn.Module):
    """Luong's attentional state s̃⟨t⟩ = tanh(W[context⟨t⟩, s⟨t⟩]) (Luong, Pham & Manning 2015, equation 5).

    Args:
        size: features of s̃; those of s unless given.

    ``weight`` W is ``(size, features + query)``.
    """

    def __init__(self, attention: Attention, size: int | None = None) -> None:
        super().__init__()
        _check_kind("Attentional", attention, Attention)
        self.attention = attention
        self.size = attention.query_size if size is None else size
        linear = nn.Linear(attention.feature_size + attention.query_size, self.size, bias=False)
        self.weight = linear.weight

    def forward(
        self, s: Float[Tensor, "rows query"], memory: AttentionMemory
    ) -> tuple[Float[Tensor, "rows size"], Float[Tensor, "rows source"]]:
        """s̃ of one step, and the attention's weights."""
        context, weights = self.attention(s, memory)
        return self._combine(context, s), weights

    def all_steps(
        self, s: Float[Tensor, "time batch query"], memory: AttentionMemory
    ) -> tuple[Float[Tensor, "time batch size"], Float[Tensor, "time batch source"]]:
        """s̃ of all steps at once: without input feeding no step waits for another's attention."""
        context, weights = self.attention.all_steps(s, memory)
        return self._combine(context, s), weights

    def _combine(self, context: Tensor, s: Tensor) -> Tensor:
        return torch.tanh(F.linear(torch.cat((context, s), dim=-1), self.weight))  # s̃ = tanh(W[context, s])


class Luong(Attentive):
    """The decoder of Luong, Pham & Manning (2015, section 3.3), with input feeding: it moves, then looks.

    s⟨t⟩ = cell([y⟨t−1⟩, s̃⟨t−1⟩], s⟨t−1⟩); context⟨t⟩ = attention(s⟨t⟩); s̃⟨t⟩ = tanh(W[context⟨t⟩, s⟨t⟩]). The
    output is s̃⟨t⟩; the state is the inner cell's and s̃.

    Without input feeding attention is no part of the recurrence: unroll the inner cell, then
    :meth:`Attentional.all_steps`.
    """

    def __init__(self, cell: Cell, attentional: Attentional) -> None:
        _check_kind("Luong", attentional, Attentional)
        super().__init__(cell, attentional.attention, attentional.size, attentional.size, attentional.size)
        self.attentional = attentional

    @property
    def attention(self) -> Attention:
        return self.attentional.attention

    def step(self, projected: Any, state: State, memory: Any = None) -> State:
        self._check(memory)
        # s⟨t⟩ = cell([y⟨t−1⟩, s̃⟨t−1⟩], s⟨t−1⟩)
        inner = self._inner_step(projected, state[-1], state[:-1], memory)
        attentional, weights = self.attentional(self.cell.output(inner), memory.attention)  # from s⟨t⟩
        self.note("attention", weights)
        return (*inner, attentional)

    def output(self, state: State) -> Tensor:
        return state[-1]


def _check_kind(owner: str, given: Any, kind: type) -> None:
    if not isinstance(given, kind):
        raise UserError(f"{owner}: it takes an {kind.__name__}; it was given: {type(given).__name__}")


def state_sizes(cell: Cell) -> list[int]:
    """Features of each tensor of a cell's state."""
    return [part.shape[-1] for part in cell.initial_state(0, like=torch.empty(0))]


def project_one(cell: Cell, inputs: Float[Tensor, "batch input"]) -> Any:
    """``cell.project`` for a single time step."""
    projected = cell.project(inputs[None])
    if isinstance(projected, Tensor):
        return projected[0]
    return tuple(part[0] for part in projected)


def _can_join(cell: Cell) -> bool:
    """Whether part of the input can be projected before the loop.

    A class that has its own ``project`` needs its own ``join`` for that: an inherited one adds to another's.
    """
    kind = type(cell.cells[0]) if isinstance(cell, Stacked) else type(cell)
    projects, joins = (
        next(each for each in kind.__mro__ if name in vars(each)) for name in ("project", "join")
    )
    return projects is Cell or issubclass(joins, projects)
