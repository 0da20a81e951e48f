"""Cells stacked into layers, with the signatures of ``torch.nn.RNN``, ``GRU`` and ``LSTM``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.errors import UserError
from unrolled.nn.cells import Cell, State
from unrolled.nn.dropout import check_share, dropout
from unrolled.nn.register import cell as make_cell
from unrolled.nn.result import Unrolled
from unrolled.nn.substitute import substitute
from unrolled.nn.unroll import state_shapes, unroll


class Recurrent(nn.Module):
    """Any cell, in any depth, in one direction or both.

    Args:
        cell: a cell's name (``"gru"``, or one of your own: :func:`unrolled.nn.register_cell`) or its class.
        num_layers, bias, batch_first, dropout, bidirectional: as in ``torch.nn.LSTM``; dropout stands between
            the layers, so one layer has none.
        proj_size: refused; project the output with ``torch.nn.Linear`` instead.
        input_dropout: drops features of every layer's input, the same ones at all steps of a sequence, and
        recurrent_dropout: of the state on its way into the recurrent matrix (Gal & Ghahramani 2016).
        weight_drop: drops entries of the recurrent matrices, anew each call (Merity et al. 2018, AWD-LSTM).
        layer_norm: layer normalisation between the layers (Ba et al. 2016).
        options: the cell's own.

    Raises:
        UserError: an option that the cell does not have, or a value out of range.
    """

    def __init__(
        self,
        cell: str | type[Cell],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        layer_norm: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        if proj_size:
            raise UserError(f"proj_size={proj_size}: not supported; put a torch.nn.Linear after the layer")
        if num_layers < 1:
            raise UserError(f"num_layers={num_layers}: it must be at least 1")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.directions = 2 if bidirectional else 1
        self.dropout = check_share("dropout", dropout)
        self.input_dropout = check_share("input_dropout", input_dropout)
        self.recurrent_dropout = check_share("recurrent_dropout", recurrent_dropout)
        self.weight_drop = check_share("weight_drop", weight_drop)
        self.layer_norm = layer_norm
        options = {name: value for name, value in options.items() if value is not None}
        if not bias:
            options["bias"] = False
        cells: list[Cell] = []
        for _ in range(num_layers):
            size = self.directions * cells[-1].output_size if cells else input_size
            cells += [make_cell(cell, size, hidden_size, **options) for _ in range(self.directions)]
        self.cells = nn.ModuleList(cells)  # of layer l in direction d: l·directions + d
        self.output_size = self.directions * cells[-1].output_size
        kind = {name: options[name] for name in ("device", "dtype") if name in options}
        self.norms = nn.ModuleList(
            nn.LayerNorm(self.output_size, **kind) for _ in range(num_layers - 1 if layer_norm else 0)
        )
        if recurrent_dropout and not cells[0].accepts_mask:
            raise UserError(
                f"recurrent_dropout: the cell {type(cells[0]).__name__} takes no mask as its memory"
            )
        if weight_drop and "recurrent_weight" not in dict(cells[0].named_parameters()):
            raise UserError(f"weight_drop: the cell {type(cells[0]).__name__} has no recurrent_weight")

    def forward(
        self,
        input: Float[Tensor, "time batch input"] | PackedSequence,
        state: Any = None,
        *,
        lengths: Int[Tensor, " batch"] | Sequence[int] | None = None,
        record: Sequence[str] = (),
    ) -> Unrolled:
        """``output, state = layer(input)``.

        Args:
            input: ``(time, batch, input)``; ``(batch, time, input)`` with ``batch_first``; ``(time, input)``
                without a batch; or a packed sequence.
            state: ``(layers·directions, batch, hidden)``, of a cell with several states (an LSTM's ``h, c``)
                a tuple of them; zeros unless given.
            lengths: real steps of each sequence of a ragged batch.
            record: names of gates to return over time, as in :func:`unrolled.nn.unroll`; the cell of layer l
                in direction d is ``cells.{l·directions + d}``.

        Returns:
            output ``(time, batch, directions·hidden)`` of the last layer in the input's form, zero past each
            length; state at each sequence's last step (the backward direction's: its first), in the form of
            the argument.

        Raises:
            UserError: a shape that does not fit.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise UserError("lengths: a packed sequence has its own")
            padded, lengths = pad_packed_sequence(input)
            result = self._run(padded, state, lengths, record)
            output: Any = _pack_as(result.output, lengths, input)
            return replace(result, output=output)
        if input.ndim == 2:
            result = self._run(input[:, None], _map(state, lambda s: s[:, None]), lengths, record)
            return Unrolled(result.output[:, 0], _map(result.state, lambda s: s[:, 0]), result.record)
        if input.ndim != 3:
            raise UserError(f"the layer's input has {input.ndim} dimensions; it needs 2 or 3")
        if not self.batch_first:
            return self._run(input, state, lengths, record)
        result = self._run(input.transpose(0, 1), state, lengths, record)
        return replace(result, output=result.output.transpose(0, 1))

    def _run(self, inputs: Tensor, state: Any, lengths: Any, record: Sequence[str]) -> Unrolled:
        if inputs.shape[-1] != self.input_size:
            raise UserError(f"the layer's input has {inputs.shape[-1]} features; it takes {self.input_size}")
        first = self._split(state, inputs.shape[1])
        wanted = self._wanted(record)
        finals: list[State] = []
        recorded: dict[str, Tensor] = {}
        for layer in range(self.num_layers):
            if layer:
                if self.layer_norm:
                    inputs = self.norms[layer - 1](inputs)
                inputs = dropout(inputs, self.dropout, self.training)
            if self.input_dropout and self.training:
                inputs = inputs * _mask(inputs.new_empty(inputs.shape[1:]), self.input_dropout)
            outputs = []
            for direction in range(self.directions):
                index = layer * self.directions + direction
                cell = self._drop_weights(self.cells[index])
                result = unroll(
                    cell,
                    inputs,
                    first[index],
                    lengths=lengths,
                    reverse=direction == 1,
                    memory=self._recurrent_mask(cell, inputs),
                    record=wanted[index],
                )
                outputs.append(result.output)
                finals.append(result.state)
                recorded |= {f"cells.{index}.{name}": value for name, value in result.record.items()}
            inputs = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        states = tuple(torch.stack(parts) for parts in zip(*finals, strict=True))
        return Unrolled(inputs, states if len(states) > 1 else states[0], recorded)

    def _split(self, state: Any, batch: int) -> Sequence[State | None]:
        """The initial state of each cell."""
        count = len(self.cells)
        if state is None:
            return [None] * count
        parts = (state,) if isinstance(state, Tensor) else tuple(state)
        if not parts or not all(isinstance(part, Tensor) for part in parts):
            kinds = ", ".join(type(part).__name__ for part in parts)
            raise UserError(f"initial state ({kinds}): this layer takes a tensor, or a tuple of them")
        shapes = state_shapes(self.cells[0], batch, parts[0])  # type: ignore[arg-type]
        wanted = [(count, *shape) for shape in shapes]
        if [tuple(part.shape) for part in parts] != wanted:
            given = ", ".join(str(tuple(part.shape)) for part in parts)
            raise UserError(f"initial state {given}: this layer takes " + ", ".join(map(str, wanted)))
        return list(zip(*(part.unbind(0) for part in parts), strict=True))

    def _wanted(self, record: Sequence[str]) -> list[list[str]]:
        """What each cell is to record."""
        wanted: list[list[str]] = [[] for _ in self.cells]
        for name in [record] if isinstance(record, str) else record:
            for index, names in enumerate(wanted):
                if name.startswith(f"cells.{index}."):
                    names.append(name.removeprefix(f"cells.{index}."))
                    break
            else:
                if name.startswith("cells."):
                    raise UserError(f"record={name!r}: the cells are cells.0 to cells.{len(wanted) - 1}")
                for names in wanted:
                    names.append(name)
        return wanted

    def _recurrent_mask(self, cell: Cell, inputs: Tensor) -> Tensor | None:
        if not (self.recurrent_dropout and self.training):
            return None
        return _mask(inputs.new_empty(inputs.shape[1], cell.hidden_size), self.recurrent_dropout)

    def _drop_weights(self, cell: Any) -> Cell:
        if not (self.weight_drop and self.training):
            return cell
        return substitute(
            cell, lambda name, p: dropout(p, self.weight_drop) if name == "recurrent_weight" else p
        )

    def extra_repr(self) -> str:
        parts = [f"num_layers={self.num_layers}"]
        parts += [name for name in ("batch_first", "bidirectional", "layer_norm") if getattr(self, name)]
        rates = ("dropout", "input_dropout", "recurrent_dropout", "weight_drop")
        return ", ".join(parts + [f"{name}={getattr(self, name)}" for name in rates if getattr(self, name)])


class RNN(Recurrent):
    """:class:`unrolled.nn.cells.RNN` in layers; arguments as in :class:`Recurrent` and ``torch.nn.RNN``."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(
            "rnn", input_size, hidden_size, num_layers, *args, nonlinearity=nonlinearity, **options
        )


class GRU(Recurrent):
    """:class:`unrolled.nn.cells.GRU` in layers; arguments as in :class:`Recurrent`, and ``reset``.

    ``reset="after"`` is ``torch.nn.GRU``'s form; the default is ``"before"``, as the equations are written.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *args: Any, **options: Any
    ) -> None:
        super().__init__("gru", input_size, hidden_size, num_layers, *args, **options)


class LSTM(Recurrent):
    """:class:`unrolled.nn.cells.LSTM` in layers; arguments as in :class:`Recurrent`, and ``peepholes``,
    ``output``, ``forget_bias``."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *args: Any, **options: Any
    ) -> None:
        super().__init__("lstm", input_size, hidden_size, num_layers, *args, **options)


def _mask(like: Tensor, rate: float) -> Tensor:
    """Zero with probability ``rate``, else scaled up so that the mean stays 1."""
    return torch.empty_like(like).bernoulli_(1 - rate) / (1 - rate)


def _map(state: Any, change: Any) -> Any:
    if state is None or isinstance(state, Tensor):
        return state if state is None else change(state)
    return tuple(change(part) for part in state)


def _pack_as(output: Tensor, lengths: Tensor, packed: PackedSequence) -> PackedSequence:
    """``output`` packed in the very order of the sequence that came in."""
    order = packed.sorted_indices
    if order is not None:
        output, lengths = output.index_select(1, order), lengths[order.cpu()]
    data = pack_padded_sequence(output, lengths).data
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
