"""Layers to and from ``torch.nn``."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn import cells, layers
from unrolled.nn.torch_form import NAMES, take, torch_weights, why_not

TorchLayer = nn.RNN | nn.GRU | nn.LSTM


def from_torch(module: TorchLayer) -> layers.Recurrent:
    """The layer that computes what ``module`` does; a GRU has ``reset="after"``.

    Raises:
        UserError: not an RNN, GRU or LSTM of torch, or one with ``proj_size``.
    """
    options: dict[str, Any] = {
        name: getattr(module, name, None)
        for name in ("num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    }
    kind: type[layers.Recurrent]
    if isinstance(module, nn.RNN):
        kind, options["nonlinearity"] = layers.RNN, module.nonlinearity
    elif isinstance(module, nn.GRU):
        kind, options["reset"] = layers.GRU, "after"
    elif isinstance(module, nn.LSTM):
        kind = layers.LSTM
    else:
        raise UserError(f"from_torch: {type(module).__name__} is none of torch.nn.RNN, GRU, LSTM")
    weight = module.weight_ih_l0
    layer = kind(module.input_size, module.hidden_size, device=weight.device, dtype=weight.dtype, **options)
    with torch.no_grad():
        for cell, suffix in _places(layer):
            take(cell, *(getattr(module, f"{name}_{suffix}", None) for name in NAMES))
    return layer.train(module.training)


def to_torch(layer: layers.Recurrent) -> TorchLayer:
    """The ``torch.nn`` layer that computes what ``layer`` does: the inverse of :func:`from_torch`.

    Raises:
        UserError: torch cannot express it; names the option.
    """
    if not isinstance(layer, layers.Recurrent):
        raise UserError(f"to_torch: {type(layer).__name__} is not a layer of unrolled.nn (RNN, GRU, LSTM)")
    for name in ("input_dropout", "recurrent_dropout", "weight_drop", "layer_norm"):
        if getattr(layer, name):
            raise UserError(f"to_torch: torch.nn has no {name}")
    reason = why_not(layer.cells[0])
    if reason:
        raise UserError(f"to_torch: {reason}")
    cell: Any = layer.cells[0]
    options: dict[str, Any] = {"nonlinearity": cell.nonlinearity} if isinstance(cell, cells.RNN) else {}
    kind: Any = {cells.RNN: nn.RNN, cells.GRU: nn.GRU, cells.LSTM: nn.LSTM}[type(cell)]
    module = kind(
        layer.input_size,
        layer.hidden_size,
        layer.num_layers,
        bias=layer.bias,
        batch_first=layer.batch_first,
        dropout=layer.dropout if layer.num_layers > 1 else 0.0,
        bidirectional=layer.bidirectional,
        device=cell.input_weight.device,
        dtype=cell.input_weight.dtype,
        **options,
    )
    with torch.no_grad():
        for each, suffix in _places(layer):
            second = getattr(each, "recurrent_bias", each.bias)
            trained = (each.input_weight, each.recurrent_weight, each.bias, second)
            for name, value, ours in zip(NAMES, torch_weights(each), trained, strict=True):
                if layer.bias or name.startswith("weight"):
                    theirs = getattr(module, f"{name}_{suffix}")
                    theirs.copy_(value).requires_grad_(ours.requires_grad)
    return module.train(layer.training)


def _places(layer: layers.Recurrent) -> list[tuple[Any, str]]:
    """Each cell with the ending of its weights' names in torch."""
    endings = ("", "_reverse")[: layer.directions]
    suffixes = [f"l{depth}{ending}" for depth in range(layer.num_layers) for ending in endings]
    return list(zip(layer.cells, suffixes, strict=True))
