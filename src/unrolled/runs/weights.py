"""Tensors in files: safetensors with a checksum, and a model's own tensors by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.files import Buffer, write_whole


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters and persistent buffers by name, each once: tied ones under their first name.

    The tensors are the model's own, so writing into them changes the model.
    """
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            found[name] = tensor.detach()
    return found


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of :func:`weights` that later updates do not change."""
    return {name: tensor.clone() for name, tensor in weights(model).items()}


@torch.no_grad()
def restore(model: nn.Module, tensors: Mapping[str, Tensor], origin: str | Path) -> None:
    """Copy ``tensors`` into the model, name for name.

    Raises:
        UserError: a tensor is missing, left over or of another shape; ``origin`` says where they are from.
    """
    own = weights(model)
    for name, tensor in own.items():
        if name not in tensors:
            raise UserError(f"{origin}: has no tensor {name!r}: it belongs to another model")
        if tensors[name].shape != tensor.shape:
            theirs = tuple(tensors[name].shape)
            raise UserError(f"{origin}: {name!r} has shape {theirs}, in this model {tuple(tensor.shape)}")
    for name in tensors:
        if name not in own:
            raise UserError(f"{origin}: {name!r} is not in this model: it belongs to another model")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def encode(tensors: Mapping[str, Tensor]) -> list[Buffer]:
    """A safetensors file in pieces, with the checksum of the tensors in its header.

    The pieces are the tensors' own memory: the library's writer would copy all of it, twice.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header: dict[str, Any] = {"__metadata__": {"sha256": _digest(plain)}}
    # As the library lays them out: wide numbers first, so that each begins where its width divides.
    ordered = sorted(plain.items(), key=lambda item: (-item[1].element_size(), item[0]))
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *(_bytes(tensor) for _, tensor in ordered)]


_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What the format calls them."""


def _bytes(tensor: Tensor) -> memoryview:
    """A contiguous tensor's memory."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write ``tensors`` to a safetensors file, whole or not at all.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    write_whole(path, encode(tensors))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that :func:`write_tensors` wrote, checked.

    Raises:
        UserError: the file is missing, damaged, or its checksum differs.
    """
    return {name: tensor.clone() for name, tensor in mapped_tensors(path).items()}


def mapped_tensors(path: Path) -> dict[str, Tensor]:
    """:func:`read_tensors` on the file's own memory, which is unaligned and changes when the file does.

    They are there to be copied, into a model that would else be in memory twice.

    Raises:
        UserError: as :func:`read_tensors`.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with safe_open(str(path), framework="pt") as file:
            recorded = (file.metadata() or {}).get("sha256")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged or not a safetensors file ({error})") from None
    if recorded is not None and recorded != _digest(tensors):
        raise UserError(f"{path}: damaged: its checksum differs from the recorded one")
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            digest.update(_bytes(tensor))
    return digest.hexdigest()
