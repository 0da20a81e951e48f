"""Several models as one: the mean of their probabilities; and the mean of their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.models.decoder import Forced


@dataclass(frozen=True)
class EnsembleState:
    """The state of each model, row for row."""

    parts: tuple[Any, ...]

    @property
    def rows(self) -> int:
        return self.parts[0].rows


class Ensemble(nn.Module):
    """Models with one target vocabulary that vote: P = (1/n) Σ Pᵢ at every word.

    It is searched and scored as one of them is.

    Raises:
        UserError: no models.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        if not models:
            raise UserError("an ensemble needs at least one model")
        self.models: Sequence[Any] = nn.ModuleList(models)  # type: ignore[assignment]

    def forced(self, *source_and_target: Tensor, attention: bool = False) -> Forced:
        """As one model's; the attention is the mean of theirs, where all have one."""
        found = [model.forced(*source_and_target, attention=attention) for model in self.models]
        weights = [each.attention for each in found]
        mean = None if any(w is None for w in weights) else torch.stack(weights).mean(0)
        return Forced(mean_probability([each.log_probs for each in found]), mean)

    # unrolled.decoding.Decoder

    def start(self, source: Any) -> EnsembleState:
        """Each model reads the source."""
        return EnsembleState(tuple(model.start(source) for model in self.models))

    def step(
        self, state: EnsembleState, tokens: Int[Tensor, " rows"]
    ) -> tuple[EnsembleState, Float[Tensor, "rows vocabulary"]]:
        """Feed each row its last token; the log of the mean probability of the next.

        Raises:
            UserError: the models' vocabularies have different sizes.
        """
        steps = [model.step(part, tokens) for model, part in zip(self.models, state.parts, strict=True)]
        log_probs = [each for _, each in steps]
        sizes = {each.shape[-1] for each in log_probs}
        if len(sizes) > 1:
            raise UserError(
                f"the models of an ensemble need one target vocabulary; theirs have sizes {sizes}"
            )
        return EnsembleState(tuple(part for part, _ in steps)), mean_probability(log_probs)

    def select(self, state: EnsembleState, rows: Int[Tensor, " n"]) -> EnsembleState:
        """The state of some rows, possibly repeated."""
        parts = zip(self.models, state.parts, strict=True)
        return EnsembleState(tuple(model.select(part, rows) for model, part in parts))


def mean_probability(log_probs: Sequence[Tensor]) -> Tensor:
    """log (1/n) Σ exp(log Pᵢ)."""
    return torch.stack(list(log_probs)).logsumexp(0) - math.log(len(log_probs))


def average(
    weights: Sequence[Mapping[str, Tensor]], origins: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """The mean of several checkpoints of one run, tensor by tensor (Junczys-Dowmunt et al. 2016, section 3).

    Floating-point tensors are averaged in double precision; others are the first one's.

    Args:
        origins: where each is from, for the complaint.

    Raises:
        UserError: the checkpoints hold different tensors.
    """
    if not weights:
        raise UserError("averaging needs at least one checkpoint")
    first, origins = weights[0], origins or [f"checkpoint {n}" for n in range(1, len(weights) + 1)]
    for other, origin in zip(weights[1:], origins[1:], strict=True):
        for name in sorted({*first, *other}):
            if name not in first or name not in other or first[name].shape != other[name].shape:
                raise UserError(
                    f"{origin}: its {name!r} is not that of {origins[0]}: they are different models"
                )
    return {
        name: torch.stack([each[name].double() for each in weights]).mean(0).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor.clone()
        for name, tensor in first.items()
    }
