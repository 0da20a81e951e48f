"""A cell's weights as ``torch.nn`` has them.

torch's GRU updates h⟨t⟩ = (1 − z) ∗ n + z ∗ h⟨t−1⟩: its z is the complement of Γu, σ of the negated sum; so
the rows of that gate change their sign. torch has two biases in every gate; their sum is one here, except in
the candidate of the GRU, where the reset gate comes between them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.nn import cells

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""What torch calls the weights, in the order of :func:`torch_weights`."""


def why_not(cell: nn.Module) -> str | None:
    """Why torch cannot express a cell; None where it can."""
    if type(cell) is cells.RNN:
        return None
    if type(cell) is cells.GRU:
        return (
            None if cell.reset == "after" else f'torch.nn.GRU knows reset="after" alone, not {cell.reset!r}'
        )
    if type(cell) is cells.LSTM:
        if cell.peepholes != "none":
            return f"torch.nn.LSTM has no peepholes, and this one has {cell.peepholes!r}"
        if cell.output_nonlinearity != "tanh":
            return f"torch.nn.LSTM has no output={cell.output_nonlinearity!r}"
        return None
    return f"torch.nn has no {type(cell).__name__} cell"


def torch_weights(cell: Any) -> tuple[Tensor, ...]:
    """A cell's ``weight_ih, weight_hh, bias_ih, bias_hh`` in torch's form, through which gradients flow."""
    second = torch.zeros_like(cell.bias)
    if not isinstance(cell, cells.GRU) or cell.recurrent_bias is None:
        return cell.input_weight, cell.recurrent_weight, cell.bias, second
    sign = _signs(cell)
    second = torch.cat((second[: -cell.hidden_size], cell.recurrent_bias))
    return cell.input_weight * sign[:, None], cell.recurrent_weight * sign[:, None], cell.bias * sign, second


def take(cell: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> None:
    """The inverse of :func:`torch_weights`, into the cell; what is frozen stays so."""
    gru = type(cell) is cells.GRU
    sign = _signs(cell) if gru else torch.ones_like(cell.bias)
    cell.input_weight.copy_(weight_ih * sign[:, None])
    cell.recurrent_weight.copy_(weight_hh * sign[:, None])
    cell.input_weight.requires_grad_(weight_ih.requires_grad)
    cell.recurrent_weight.requires_grad_(weight_hh.requires_grad)
    if bias_ih is None or bias_hh is None:
        return
    cell.bias.requires_grad_(bias_ih.requires_grad or bias_hh.requires_grad)
    if gru:
        cell.recurrent_bias.requires_grad_(bias_hh.requires_grad)
        cell.recurrent_bias.copy_(bias_hh[-cell.hidden_size :])
        bias_hh = torch.cat((bias_hh[: -cell.hidden_size], torch.zeros_like(cell.recurrent_bias)))
    cell.bias.copy_((bias_ih + bias_hh) * sign)


def _signs(cell: Any) -> Tensor:
    """−1 in the update gate's rows: σ(−z) = 1 − σ(z)."""
    ones = torch.ones_like(cell.bias[: cell.hidden_size])
    return torch.cat((ones, -ones, ones))
