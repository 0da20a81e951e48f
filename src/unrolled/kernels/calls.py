"""How the recurrent kernels are called: the forms of a cell that they know, and the structures they take."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.packing import Packing
from unrolled.kernels.structures import pointer, structure

_Recurrence = structure(
    "Recurrence",
    bytes="size",
    threads="size",
    steps="size",
    batch="size",
    hidden="size",
    offsets="pointer",
    reverse="size",
    variant="size",
    plain_output="size",
    training="size",
    weight="pointer",
    recurrent_bias="pointer",
    peephole="pointer",
    mask="pointer",
    initial_hidden="pointer",
    initial_cell="pointer",
    gates="pointer",
    output="pointer",
    cells="pointer",
    seen="pointer",
    inner="pointer",
    final_hidden="pointer",
    final_cell="pointer",
    grad_output="pointer",
    grad_hidden="pointer",
    grad_cell="pointer",
    grad_gates="pointer",
    grad_sums="pointer",
)


_Attentive = structure(
    "Attentive",
    cell="pointer",
    kind="size",
    gates="size",
    grad_gates="size",
    luong="size",
    additive="size",
    source="size",
    size="size",
    features="size",
    late="size",
    sentence="pointer",
    lengths="pointer",
    keys="pointer",
    values="pointer",
    late_weight="pointer",
    late_stride="size",
    query_weight="pointer",
    energy_weight="pointer",
    combine="pointer",
    asked="pointer",
    weights="pointer",
    context="pointer",
    fed="pointer",
    attended="pointer",
    final_late="pointer",
    grad_late="pointer",
    grad_final="pointer",
    grad_context="pointer",
    grad_weights="pointer",
    grad_energies="pointer",
    grad_asked="pointer",
    grad_keys="pointer",
    grad_energy_weight="pointer",
)


@dataclass(frozen=True)
class Form:
    """A cell's equation as the kernels know it."""

    kernel: str
    variant: int
    gates: int
    grad_gates: int
    """Gradients the backward kernel leaves a row; one more than gates where a gate's two products differ."""
    plain_output: bool = False

    @property
    def inner(self) -> bool:
        """Whether something between the gates is kept: Γr ∗ state, or the candidate's product."""
        return self.kernel == "gru" and self.gates == 3

    @property
    def state_rows(self) -> int:
        """Gates whose recurrent matrix meets the state itself."""
        return 2 if self.reset_before else self.gates

    @property
    def reset_before(self) -> bool:
        return self.kernel == "gru" and self.variant == 0

    @property
    def reset_after(self) -> bool:
        return self.grad_gates > self.gates


FORMS = {
    "rnn tanh": Form("rnn", 0, 1, 1),
    "rnn relu": Form("rnn", 1, 1, 1),
    "gru before": Form("gru", 0, 3, 3),
    "gru after": Form("gru", 1, 3, 4),
    "gru none": Form("gru", 2, 2, 2),
    "lstm none tanh": Form("lstm", 0, 4, 4),
    "lstm current tanh": Form("lstm", 1, 4, 4),
    "lstm previous tanh": Form("lstm", 2, 4, 4),
    "lstm none identity": Form("lstm", 0, 4, 4, plain_output=True),
    "lstm current identity": Form("lstm", 1, 4, 4, plain_output=True),
    "lstm previous identity": Form("lstm", 2, 4, 4, plain_output=True),
}


_KINDS = ("rnn", "gru", "lstm")


@cache
def _kernel(name: str, structure: type[ctypes.Structure]) -> Any:
    return function(f"unrolled_{name}", ctypes.POINTER(structure))


def contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def cell_arguments(
    form: Form, packing: Packing, reverse: bool, *, threads: int | None = None, **given: Any
) -> Any:
    """A cell through packed sequences as the kernels take it; tensors as pointers, empty ones as null."""
    tensors = {key: value for key, value in given.items() if isinstance(value, Tensor)}
    like = tensors["weight"]
    return _Recurrence(
        bytes=like.element_size(),
        threads=threads or torch.get_num_threads(),
        steps=packing.time,
        batch=packing.batch,
        hidden=like.shape[1],
        offsets=packing.offsets.data_ptr(),
        reverse=reverse,
        variant=form.variant,
        plain_output=form.plain_output,
        training=given.get("training", True),
        **{key: pointer(value) for key, value in tensors.items() if value.numel()},
    )


def run(name: str, form: Form, packing: Packing, reverse: bool, **given: Any) -> None:
    """The kernel ``forward`` or ``backward`` of a cell."""
    _kernel(f"{form.kernel}_{name}", _Recurrence)(cell_arguments(form, packing, reverse, **given))


def run_attentive(name: str, form: Form, cell: Any, **given: Any) -> None:
    """The kernel ``forward`` or ``backward`` of an attention around ``cell``."""
    _kernel(f"attentive_{name}", _Attentive)(
        _Attentive(
            cell=ctypes.addressof(cell),
            kind=_KINDS.index(form.kernel),
            gates=form.gates,
            grad_gates=form.grad_gates,
            **{
                key: (pointer(value) if value.numel() else None) if isinstance(value, Tensor) else value
                for key, value in given.items()
            },
        )
    )
