"""Which weights are scored and kept: the last ones, or an average that moves less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unrolled import models
from unrolled.runs import TrainingSettings
from unrolled.runs.weights import restore, snapshot, weights


class Averaging:
    """No average: the model's own weights. The others derive from it."""

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings

    def updated(self, model: nn.Module) -> None:
        """Be told that the weights changed."""

    def validating(self, model: nn.Module) -> None:
        """Be told that a validation is about to begin."""

    def validated(self, model: nn.Module, stalled: int) -> None:
        """Be told that a validation is over, and how many there were since the best."""

    def average(self) -> dict[str, Tensor] | None:
        """The averaged weights, ``None`` where they are the model's own."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """What :meth:`load` needs."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`tensors`."""

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model with the averaged weights, its own put back afterwards."""
        average = self.average()
        if average is None:
            yield
            return
        own = snapshot(model)
        restore(model, average, "average")
        try:
            yield
        finally:
            restore(model, own, "own weights")


class Exponential(Averaging):
    """θ̄ ← dθ̄ + (1−d)θ after every update; d = min(decay, (1+n)/(10+n)) soon forgets the start."""

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__(settings)
        self.running: dict[str, Tensor] = {}
        self.count = 0

    @torch.no_grad()
    def updated(self, model: nn.Module) -> None:
        if not self.running:
            self.running = snapshot(model)
        decay = min(self.settings.average_decay, (1 + self.count) / (10 + self.count))
        _move(self.running, model, 1 - decay)
        self.count += 1

    def average(self) -> dict[str, Tensor] | None:
        return self.running or None

    def tensors(self) -> dict[str, Tensor]:
        return {**self.running, _COUNT: torch.tensor(self.count)} if self.running else {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.count = int(tensors[_COUNT]) if tensors else 0
        self.running = {name: tensor for name, tensor in tensors.items() if name != _COUNT}


class SinceStall(Exponential):
    """The mean of all weights since dev stopped improving (NT-AvSGD, Merity et al. 2018, algorithm 1)."""

    @torch.no_grad()
    def updated(self, model: nn.Module) -> None:
        if self.running:
            self.count += 1
            _move(self.running, model, 1 / self.count)

    def validated(self, model: nn.Module, stalled: int) -> None:
        if not self.running and stalled >= self.settings.average_trigger:
            self.running, self.count = snapshot(model), 1


class LastValidations(Averaging):
    """The mean of the weights at the last validations, the present one included."""

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__(settings)
        self.last: list[dict[str, Tensor]] = []

    def validating(self, model: nn.Module) -> None:
        self.last = [*self.last, snapshot(model)][-self.settings.average_last :]

    def average(self) -> dict[str, Tensor] | None:
        return models.average(self.last) if self.last else None

    def tensors(self) -> dict[str, Tensor]:
        return {f"{i}.{name}": tensor for i, each in enumerate(self.last) for name, tensor in each.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.last = []
        for key, tensor in tensors.items():
            index, name = key.split(".", 1)
            while len(self.last) <= int(index):
                self.last.append({})
            self.last[int(index)][name] = tensor


_COUNT = "count!"
"""Beside the weights' names in :meth:`Exponential.tensors`; no module can have it for a name."""


def build_averaging(settings: TrainingSettings) -> Averaging:
    """The averaging a recipe names."""
    kinds = {"none": Averaging, "ema": Exponential, "checkpoints": LastValidations, "sgd-average": SinceStall}
    return kinds[settings.averaging](settings)


def _move(running: dict[str, Tensor], model: nn.Module, share: float) -> None:
    """Move ``running`` towards the model's weights by ``share``; whole numbers are taken over."""
    for name, tensor in weights(model).items():
        if tensor.is_floating_point():
            running[name].lerp_(tensor, share)
        else:
            running[name].copy_(tensor)
