"""The vendor's recurrent kernels on a GPU (cuDNN, MIOpen), for the cells that they know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.nn import cells
from unrolled.nn.cells import Cell, State
from unrolled.nn.result import Unrolled
from unrolled.nn.torch_form import torch_weights, why_not


def unroll(
    cell: Cell,
    inputs: Tensor,
    state: State,
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
    memory: Any = None,
    record: Sequence[str] = (),
) -> Unrolled | None:
    """:func:`unrolled.nn.unroll.unroll` on a GPU; None for what the vendor's library cannot do.

    It cannot be differentiated twice; within ``torch.backends.cudnn.flags(enabled=False)`` it is not used.
    """
    if not inputs.is_cuda or record or memory is not None or why_not(cell) or not inputs.numel():
        return None
    if not torch.backends.cudnn.is_acceptable(inputs):
        return None
    return run(cell, inputs, state, lengths, reverse)


def run(cell: Any, inputs: Tensor, state: State, lengths: Tensor | None, reverse: bool) -> Unrolled:
    """The same through torch's own functions, on any device."""
    if lengths is None:
        output, final = _call(cell, inputs.flip(0) if reverse else inputs, None, state)
        return Unrolled(output.flip(0) if reverse else output, final)
    time = inputs.shape[0]
    lengths = lengths.cpu()
    turn = _turned(lengths, time, inputs.device) if reverse else None
    if turn is not None:
        inputs = inputs.take_along_dim(turn, 0)
    # torch packs no empty sequence: such a row goes along for one step of zeros, which is then forgotten.
    real = (lengths > 0).to(inputs.device)[:, None] if int(lengths.min()) == 0 else None
    if real is not None:
        inputs = inputs.where(real, 0)
    order = lengths.argsort(descending=True, stable=True)
    back = order.argsort().to(inputs.device)
    rows = order.to(inputs.device)
    packed = pack_padded_sequence(inputs[:, rows], lengths[order].clamp(min=1))
    data, final = _call(cell, packed.data, packed.batch_sizes, tuple(part[rows] for part in state))
    output = pad_packed_sequence(packed._replace(data=data), total_length=time)[0][:, back]
    final = tuple(part[back] for part in final)
    if real is not None:
        output = output.where(real, 0)
        final = tuple(torch.where(real, new, old) for new, old in zip(final, state, strict=True))
    return Unrolled(output if turn is None else output.take_along_dim(turn, 0), final)


def _turned(lengths: Tensor, time: int, device: torch.device) -> Tensor:
    """Where each step of each sequence comes from when it is turned round within its length."""
    steps = torch.arange(time, device=lengths.device)[:, None]
    return torch.where(steps < lengths, lengths - 1 - steps, steps).to(device)[:, :, None]


def _call(cell: Any, data: Tensor, batch_sizes: Tensor | None, state: State) -> tuple[Tensor, State]:
    weights = torch_weights(cell)
    # One piece of memory, as cuDNN wants its weights.
    flat = torch.cat([weight.flatten() for weight in weights])
    views = flat.split([weight.numel() for weight in weights])
    params = [view.view_as(weight) for view, weight in zip(views, weights, strict=True)]
    begin = tuple(part.unsqueeze(0).contiguous() for part in state)
    lstm = isinstance(cell, cells.LSTM)
    function = _FUNCTIONS[cell.nonlinearity if isinstance(cell, cells.RNN) else "lstm" if lstm else "gru"]
    hidden: Any = begin if lstm else begin[0]
    # has_biases, num_layers, dropout, train, bidirectional(, batch_first)
    if batch_sizes is None:
        output, *final = function(data, hidden, params, True, 1, 0.0, torch.is_grad_enabled(), False, False)
    else:
        output, *final = function(
            data, batch_sizes, hidden, params, True, 1, 0.0, torch.is_grad_enabled(), False
        )
    return output, tuple(part.squeeze(0) for part in final)


_FUNCTIONS: dict[str, Any] = {
    "tanh": torch.rnn_tanh,
    "relu": torch.rnn_relu,
    "gru": torch.gru,
    "lstm": torch.lstm,
}
