"""From a state at every position to one vector for the whole sequence."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError, nearest
from unrolled.nn.attention import masked_softmax

PoolingKind = Literal["last", "mean", "max", "attention"]


class Pooling(nn.Module):
    """Pool over the real positions alone; a sequence without any gives zeros.

    Args:
        kind: ``"last"``, the state after the last position (of a backward direction: after the first);
            ``"mean"``; ``"max"``, of each feature (Collobert et al. 2011, section 3.2.2); ``"attention"``,
            Σ α⟨t⟩ a⟨t⟩ with α = softmax over t of vᵀtanh(W a⟨t⟩ + b) (Yang et al. 2016, section 2.2).
        features: of a state.
        directions: 2 where the second half of the features is a backward direction's.

    Raises:
        UserError: an unknown kind.
    """

    def __init__(self, kind: PoolingKind, features: int, directions: int = 1) -> None:
        super().__init__()
        if kind not in get_args(PoolingKind):
            raise UserError(f"pooling {kind!r} is not known: {nearest(kind, get_args(PoolingKind))}")
        self.kind = kind
        self.features = features
        self.directions = directions
        if kind == "attention":
            self.hidden = nn.Linear(features, features)
            self.score = nn.Linear(features, 1, bias=False)

    def forward(
        self, states: Float[Tensor, "time batch features"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch features"]:
        if not len(states):
            return states.sum(0)
        real = torch.arange(len(states), device=states.device)[:, None] < lengths
        if self.kind == "mean":
            return states.where(real[..., None], 0).sum(0) / lengths.clamp(min=1)[:, None]
        if self.kind == "max":
            found = states.masked_fill(~real[..., None], -torch.inf).max(0).values
        elif self.kind == "last":
            last = states[(lengths - 1).clamp(min=0), torch.arange(len(lengths), device=states.device)]
            forward = self.features // self.directions
            found = torch.cat((last[:, :forward], states[0, :, forward:]), dim=1)
        else:
            states = states.where(real[..., None], 0)  # nothing times NaN would be NaN
            energies = self.score(torch.tanh(self.hidden(states))).permute(1, 2, 0)
            found = (masked_softmax(energies, real.t()) @ states.transpose(0, 1)).squeeze(1)
        return found.where(lengths[:, None] > 0, 0)

    def extra_repr(self) -> str:
        return self.kind
