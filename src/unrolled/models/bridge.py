"""From what was read to the first state of what is written."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.errors import UserError, nearest
from unrolled.models.encoder import Encoded
from unrolled.nn.attentive import Stacked, state_sizes
from unrolled.nn.cells import Cell, State

BRIDGES = ("last", "mean", "input", "zero")


class Bridge(nn.Module):
    """s⟨0⟩ = tanh(W · source + b), for each cell of the decoder and each tensor of its state.

    Args:
        kind: what of the source: ``"last"``, the last state of the encoder's layer at the same height (the
            top one for cells above it; Bahdanau, Cho & Bengio 2014, appendix A.2.2, with both directions);
            ``"mean"``, the mean of its real positions (Xu et al. 2015, section 3.1.2); ``"input"``, the state
            after the cell has read W · mean as its first input (Vinyals et al. 2015, equation 10);
            ``"zero"``, nothing: the state is zero.
        cell: the decoder's cell.
        feature_size, state_size: of :class:`Encoded`; ``state_size`` None where it has no state.

    Raises:
        UserError: an unknown kind; ``"last"`` of what has no state.
    """

    def __init__(self, kind: str, cell: Cell, feature_size: int, state_size: int | None) -> None:
        super().__init__()
        if kind not in BRIDGES:
            raise UserError(f"bridge {kind!r} is not known: {nearest(kind, BRIDGES)}")
        if kind == "last" and state_size is None:
            raise UserError('bridge="last": what is read here has no last state; choose "mean" or "zero"')
        self.kind = kind
        levels = list(cell.cells) if isinstance(cell, Stacked) else [cell]
        self.sizes = [state_sizes(level) for level in levels]
        size = feature_size if kind == "mean" else state_size or 0
        computed = kind in ("last", "mean")
        self.levels = nn.ModuleList(nn.Linear(size, sum(sizes)) for sizes in self.sizes if computed)
        self.word = nn.Linear(feature_size, cell.input_size) if kind == "input" else None

    def forward(self, encoded: Encoded) -> State:
        batch = encoded.output.shape[1]
        if not self.levels:
            return tuple(encoded.output.new_zeros(batch, size) for sizes in self.sizes for size in sizes)
        state: list[Tensor] = []
        for height, (linear, sizes) in enumerate(zip(self.levels, self.sizes, strict=True)):
            state += torch.tanh(linear(self._source(encoded, height))).split(sizes, dim=-1)
        return tuple(state)

    def first_input(self, encoded: Encoded) -> Float[Tensor, "batch input"] | None:
        """What the decoder's cell reads before the first word, where it reads anything."""
        return None if self.word is None else self.word(_mean(encoded))

    def _source(self, encoded: Encoded, height: int) -> Float[Tensor, "batch features"]:
        if self.kind == "mean":
            return _mean(encoded)
        assert encoded.state is not None
        return encoded.state[min(height, len(encoded.state) - 1)]


def _mean(encoded: Encoded) -> Float[Tensor, "batch features"]:
    # The output is zero past each length, so that its sum is that of the real positions.
    return encoded.output.sum(0) / encoded.lengths.clamp(min=1)[:, None]
