"""The recurrences, each as its equations are written: one step of mathematics, nothing about time.

``x`` is the input, ``a`` the hidden state passed on, ``c`` the memory cell, ``Γ`` a gate, ``∗`` the
element-wise product. ``W[a, x]`` is written as two products, ``R a + W x``: the second, with the bias, does
not depend on the state, so :meth:`Cell.project` makes it for all time steps at once.
:func:`unrolled.nn.unroll.unroll` runs a cell through time; every faster path is tested against this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.errors import UserError

State: TypeAlias = tuple[Tensor, ...]
"""A tensor ``(batch, …)`` for each recurrent quantity; the first is the hidden state."""

Recorder: TypeAlias = Callable[["Cell", str, Tensor], None]
_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Within the block, ``recorder(cell, name, value)`` is told whatever a cell notes."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


class Cell(nn.Module):
    """One step of a recurrence. A cell of one's own needs ``__init__`` and :meth:`step`, no more.

    Args:
        input_size: features of an input.
        hidden_size: features of the hidden state.
        output_size: features of :meth:`output`; ``hidden_size`` unless given.
    """

    accepts_mask: ClassVar[bool] = False
    """Whether ``memory`` may be a variational-dropout mask ``(batch, hidden)`` on the recurrent state."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int | None = None) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise UserError(f"{name}={size}: it must be at least 1")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = hidden_size if output_size is None else output_size

    def initial_state(self, batch: int, *, like: Tensor) -> State:
        """The state before the first step: zeros, with ``like``'s type and device."""
        return (like.new_zeros(batch, self.hidden_size),)

    def project(self, inputs: Float[Tensor, "*time batch input"]) -> Any:
        """What does not depend on the state, for all steps at once: a tensor or a tuple, time first."""
        return inputs

    def join(self, projected: Any, late: Float[Tensor, "batch late"]) -> Any:
        """One step's projection when the inputs' last columns (a context) are known only at the step."""
        return torch.cat((projected, late), dim=-1)

    def step(self, projected: Any, state: State, memory: Any = None) -> State:
        """The equation: the state after one time step. ``memory`` is whatever is constant over time.

        It may be run once and followed from then on: what changes from step to step belongs into the state or
        onto the cell, not into a global or a closure.
        """
        raise NotImplementedError

    def output(self, state: State) -> Tensor:
        """What the layer above sees."""
        return state[0]

    def note(self, name: str, value: Tensor) -> Tensor:
        """Name a gate for ``unroll(record=…)`` and hand it on; free when nothing records."""
        recorder = _recorder.get()
        if recorder is not None:
            recorder(self, name, value)
        return value


class GatedCell(Cell):
    """What RNN, GRU and LSTM share: the parameters, their initialisation, and the input's product.

    ``input_weight (gates·hidden, input)``, ``recurrent_weight (gates·hidden, hidden)`` and ``bias
    (gates·hidden)`` start uniform in ±1/√hidden as in torch; with ``orthogonal`` each gate's recurrent matrix
    starts orthogonal (Saxe 2014). Without ``bias`` the biases are zeros that are not trained.
    """

    accepts_mask = True
    gates: tuple[str, ...]
    """The gates' names in the order in which the parameters hold their rows."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        orthogonal: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.orthogonal = orthogonal
        rows = len(self.gates) * hidden_size
        self.input_weight = nn.Parameter(torch.empty(rows, input_size, device=device, dtype=dtype))
        self.recurrent_weight = nn.Parameter(torch.empty(rows, hidden_size, device=device, dtype=dtype))
        self.bias: Tensor
        self._add_bias("bias", rows, bias)

    def _add_bias(self, name: str, rows: int, trained: bool) -> None:
        value = torch.zeros(rows, device=self.input_weight.device, dtype=self.input_weight.dtype)
        if trained:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value, persistent=False)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw fresh weights from torch's current seed."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if self.orthogonal:
            for matrix in self.recurrent_weight.split(self.hidden_size):
                nn.init.orthogonal_(matrix)

    def project(self, inputs: Float[Tensor, "*time batch input"]) -> Float[Tensor, "*time batch gates"]:
        """``W x + b``; of inputs that lack their last columns, the product of those that are there."""
        return F.linear(inputs, self.input_weight[:, : inputs.shape[-1]], self.bias)

    def join(
        self, projected: Float[Tensor, "batch gates"], late: Float[Tensor, "batch late"]
    ) -> Float[Tensor, "batch gates"]:
        return projected + F.linear(late, self.input_weight[:, -late.shape[-1] :])

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


def _choice(cell: str, option: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise UserError(f"{cell}({option}={value!r}): choose one of " + ", ".join(map(repr, choices)))
    return value


def _masked(state: Tensor, mask: Tensor | None) -> Tensor:
    """The hidden state on its way into the recurrent matrix (variational dropout, Gal & Ghahramani 2016)."""
    return state if mask is None else state * mask


class RNN(GatedCell):
    """The simple recurrent network (Elman 1990): a⟨t⟩ = g(W[a⟨t−1⟩, x⟨t⟩] + b).

    Args:
        nonlinearity: g, ``"tanh"`` or ``"relu"``.
    """

    gates = ("hidden",)

    def __init__(
        self, input_size: int, hidden_size: int, *, nonlinearity: str = "tanh", **options: Any
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.nonlinearity = _choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        self.reset_parameters()

    def step(
        self,
        projected: Float[Tensor, "batch hidden"],
        state: State,
        memory: Float[Tensor, "batch hidden"] | None = None,
    ) -> State:
        (a,) = state
        z = projected + F.linear(_masked(a, memory), self.recurrent_weight)
        return (torch.tanh(z) if self.nonlinearity == "tanh" else torch.relu(z),)


class GRU(GatedCell):
    """The gated recurrent unit (Cho et al. 2014, appendix A, its z the complement of Γu).

    Γr = σ(Wr[c⟨t−1⟩, x⟨t⟩] + br); Γu = σ(Wu[c⟨t−1⟩, x⟨t⟩] + bu); c⟨t⟩ = Γu ∗ c̃ + (1 − Γu) ∗ c⟨t−1⟩; a = c.

    Args:
        reset: where Γr meets the state.
            ``"before"`` the matrix, as written: c̃ = tanh(Wc[Γr ∗ c⟨t−1⟩, x⟨t⟩] + bc);
            ``"after"`` it: c̃ = tanh(Wx x + bx + Γr ∗ (Wc c⟨t−1⟩ + bc)), bc in ``recurrent_bias (hidden)``,
            the form of cuDNN and ``torch.nn.GRU``;
            ``"none"``: Γr = 1, the simplified unit, which has no reset rows in its parameters.
    """

    def __init__(self, input_size: int, hidden_size: int, *, reset: str = "before", **options: Any) -> None:
        self.reset = _choice("GRU", "reset", reset, ("before", "after", "none"))
        self.gates = ("update", "candidate") if reset == "none" else ("reset", "update", "candidate")
        super().__init__(input_size, hidden_size, **options)
        self.recurrent_bias: Tensor | None
        if reset == "after":
            self._add_bias("recurrent_bias", hidden_size, options.get("bias", True))
        else:
            self.register_parameter("recurrent_bias", None)
        self.reset_parameters()

    def step(
        self,
        projected: Float[Tensor, "batch gates"],
        state: State,
        memory: Float[Tensor, "batch hidden"] | None = None,
    ) -> State:
        (c,) = state
        size = self.hidden_size
        seen = _masked(c, memory)
        gate_inputs, candidate_input = projected[..., :-size], projected[..., -size:]
        gate_weight, candidate_weight = self.recurrent_weight[:-size], self.recurrent_weight[-size:]
        gates = torch.sigmoid(gate_inputs + F.linear(seen, gate_weight))
        update = self.note("update", gates[..., -size:])  # Γu = σ(Wu[c⟨t−1⟩, x⟨t⟩] + bu)
        if self.reset == "none":
            product = F.linear(seen, candidate_weight)
        else:
            reset = self.note("reset", gates[..., :size])  # Γr = σ(Wr[c⟨t−1⟩, x⟨t⟩] + br)
            if self.reset == "before":
                product = F.linear(reset * seen, candidate_weight)
            else:
                product = reset * F.linear(seen, candidate_weight, self.recurrent_bias)
        candidate = self.note("candidate", torch.tanh(candidate_input + product))  # c̃
        return (update * candidate + (1 - update) * c,)  # c⟨t⟩ = Γu ∗ c̃ + (1 − Γu) ∗ c⟨t−1⟩


class LSTM(GatedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000).

    c̃ = tanh(Wc[a⟨t−1⟩, x⟨t⟩] + bc); Γu, Γf, Γo likewise with σ; c⟨t⟩ = Γu ∗ c̃ + Γf ∗ c⟨t−1⟩;
    a⟨t⟩ = Γo ∗ tanh(c⟨t⟩). The state is ``(a, c)``.

    Args:
        peepholes: what the gates see of the memory cell through the diagonal ``peephole (3, hidden)``, rows
            update, forget, output (Gers & Schmidhuber 2000). ``"none"``: nothing; ``"current"``: Γu and Γf
            see c⟨t−1⟩, Γo sees c⟨t⟩; ``"previous"``: all three see c⟨t−1⟩.
        output: ``"tanh"``, or ``"identity"`` for a⟨t⟩ = Γo ∗ c⟨t⟩.
        forget_bias: added to the forget gate's fresh bias (Jozefowicz et al. 2015, section 2.2).
    """

    gates = ("update", "forget", "candidate", "output")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        peepholes: str = "none",
        output: str = "tanh",
        forget_bias: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, **options)
        self.peepholes = _choice("LSTM", "peepholes", peepholes, ("none", "current", "previous"))
        self.output_nonlinearity = _choice("LSTM", "output", output, ("tanh", "identity"))
        self.forget_bias = forget_bias
        self.peephole: Tensor | None
        self.register_parameter(
            "peephole",
            None if peepholes == "none" else nn.Parameter(self.recurrent_weight.new_empty(3, hidden_size)),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if isinstance(self.bias, nn.Parameter):
            with torch.no_grad():
                self.bias.unflatten(0, (4, -1))[1] += self.forget_bias

    def initial_state(self, batch: int, *, like: Tensor) -> State:
        return (like.new_zeros(batch, self.hidden_size), like.new_zeros(batch, self.hidden_size))

    def step(
        self,
        projected: Float[Tensor, "batch gates"],
        state: State,
        memory: Float[Tensor, "batch hidden"] | None = None,
    ) -> State:
        a, c = state
        z = projected + F.linear(_masked(a, memory), self.recurrent_weight)
        z_update, z_forget, z_candidate, z_output = z.chunk(4, dim=-1)
        if self.peephole is not None:
            z_update = z_update + self.peephole[0] * c
            z_forget = z_forget + self.peephole[1] * c
        update = self.note("update", torch.sigmoid(z_update))  # Γu
        forget = self.note("forget", torch.sigmoid(z_forget))  # Γf
        candidate = self.note("candidate", torch.tanh(z_candidate))  # c̃
        cell = self.note("cell", update * candidate + forget * c)  # c⟨t⟩ = Γu ∗ c̃ + Γf ∗ c⟨t−1⟩
        if self.peephole is not None:
            z_output = z_output + self.peephole[2] * (cell if self.peepholes == "current" else c)
        output = self.note("output", torch.sigmoid(z_output))  # Γo
        return (output * (torch.tanh(cell) if self.output_nonlinearity == "tanh" else cell), cell)
