"""The one loop: batches to gradients to weights, with what happens between updates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import RunError, UserError
from unrolled.runs import RunFolder, TrainingSettings, checkpoint
from unrolled.runs.average import WEIGHTS
from unrolled.runs.checkpoint import Checkpoint
from unrolled.runs.weights import mapped_tensors, restore, snapshot, weights, write_tensors
from unrolled.tasks import SelfLearning, Task
from unrolled.tasks.task import RATE, Carried, Loss
from unrolled.training.averaging import build_averaging
from unrolled.training.exactness import reseed, seed_for
from unrolled.training.feed import Group, ahead, groups
from unrolled.training.interruption import Interrupted, Interruption
from unrolled.training.log import Log
from unrolled.training.meter import Meter
from unrolled.training.optimizer import (
    Clipping,
    build_optimizer,
    clip,
    load_optimizer,
    optimizer_tensors,
)
from unrolled.training.progress import Show
from unrolled.training.schedule import Schedule
from unrolled.training.selection import Selection


def reached(settings: TrainingSettings, update: int, epoch: int, stalled: int) -> list[str]:
    """Which keys of ``[training]`` say to stop there."""
    limits = {"updates": update, "epochs": epoch, "patience": stalled}
    return [key for key, at in limits.items() if (end := getattr(settings, key)) is not None and at >= end]


class Trainer:
    """A training at some update: everything that later updates depend on, which is what a checkpoint holds.

    Args:
        environment: recorded with every checkpoint.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        settings: TrainingSettings,
        folder: RunFolder,
        device: torch.device,
        environment: Mapping[str, Any],
        show: Show,
    ) -> None:
        self.task, self.model, self.settings = task, model, settings
        self.folder, self.device, self.environment, self.show = folder, device, environment, show
        self.update = 0
        self.epoch = 0
        self.index = 0
        self.carried: Carried = None
        self.optimizer = build_optimizer(model, settings)
        self.schedule = Schedule(settings, settings.schedule_updates or self.planned_updates)
        self.averaging = build_averaging(settings)
        self.selection = Selection(settings.selection, task.score_names)
        self.best: dict[str, Tensor] | None = None
        self.meter = Meter()

    @cached_property
    def planned_updates(self) -> int:
        """The update at which training ends unless it stops early."""
        ends = []
        if self.settings.updates is not None:
            ends.append(self.settings.updates)
        if self.settings.epochs is not None:
            ends.append(
                self.settings.epochs
                * -(-len(self.task.plan(self.settings.seed, 0)) // self.settings.accumulate)
            )
        return min(ends)

    @property
    def done(self) -> bool:
        """Whether the recipe says to stop here."""
        return bool(reached(self.settings, self.update, self.epoch, self.selection.stalled))

    def fit(self, log: Log, interruption: Interruption) -> None:
        """Train from here to the last update, saving on the way.

        Raises:
            Interrupted: a signal came; the state is saved.
            RunError: a loss or gradient that is not finite, a full disk; the last checkpoint is kept.
        """
        total = self.planned_updates
        saved = time.monotonic()
        if self.best is not None:
            # The file may be of a later update than the state, one that is yet to be made again.
            write_tensors(self.folder.model, self.best)
        self.model.train()
        source = groups(
            self.task,
            seed=self.settings.seed,
            accumulate=self.settings.accumulate,
            epoch=self.epoch,
            index=self.index,
            device=self.device,
        )
        with closing(ahead(source)) as feed:
            self.meter.start()
            while not self.done:
                group = next(feed)
                self._step(group)
                due = self._validation_due(group)
                if due or self.update % self.settings.log_every == 0:
                    self._log(log, group.epoch, total)
                if self.device.type == "cpu" and self.meter.updates:
                    self.show.update(self.update, total, group.epoch, self.meter.loss, self.meter.rate)
                if due:
                    with self.meter.paused():
                        self._validate(log, group.epoch)
                interrupted = interruption.signal
                every = self.settings.checkpoint_updates
                if (
                    interrupted is not None
                    or self.done
                    or (every is not None and self.update % every == 0)
                    or time.monotonic() - saved >= self.settings.checkpoint_seconds
                ):
                    with self.meter.paused():
                        self.save(log.count)
                    saved = time.monotonic()
                if interrupted is not None:
                    raise Interrupted(
                        f"{self.folder}: interrupted; update {self.update} is saved, and the same command"
                        " goes on from there",
                        interrupted,
                    )

    def _step(self, group: Group) -> None:
        """One update."""
        reseed(seed_for(self.settings.seed, self.update + 1), self.device)
        rate = self.schedule.learning_rate(self.update + 1)
        clipping = None
        if isinstance(self.task, SelfLearning):
            summed, tokens = self._learn(self.task, group, rate)
        else:
            summed, tokens, clipping = self._descend(group, rate)
        self.update += 1
        self.epoch, self.index = (group.epoch + 1, 0) if group.last else (group.epoch, group.index + 1)
        if group.last:
            self.carried = None
        self.averaging.updated(self.model)
        self.meter.add(self.update, group.count, tokens, summed, clipping)
        if self.device.type == "cpu":  # Elsewhere looking at a number waits for the device.
            self._check()

    def _descend(self, group: Group, rate: float) -> tuple[Tensor, int, Clipping]:
        """Change the weights by autograd and the optimizer; the summed loss, tokens, and what was clipped."""
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate * parameters[RATE]
        self.optimizer.zero_grad(set_to_none=True)
        count, summed, tokens = group.count, torch.zeros((), device=self.device), 0
        for batch in group.batches:
            with self._autocast():
                loss = self.task.loss(self.model, batch, self.carried)
            # Every prediction of the update weighs the same, however they fall into batches.
            (loss.total / count).backward()
            summed = summed + loss.total.detach()
            tokens += _tokens(loss)
            self.carried = None if loss.carried is None else tuple(tensor.detach() for tensor in loss.carried)
        clipping = clip(self.model.parameters(), self.settings)
        self.optimizer.step()
        return summed, tokens, clipping

    def _learn(self, task: SelfLearning, group: Group, rate: float) -> tuple[Tensor, int]:
        """Let the model change its own weights; the summed loss, and tokens."""
        losses = [task.learn(self.model, batch, rate, self.settings.seed) for batch in group.batches]
        return torch.stack([loss.total for loss in losses]).sum(), sum(map(_tokens, losses))

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "bfloat16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _check(self) -> None:
        """Look at the losses since the last look.

        Raises:
            RunError: one, or a gradient, is not finite.
        """
        found = self.meter.look()
        if found is None:
            return
        update, what = found
        kept = checkpoint.numbered(self.folder.state)
        before = f"; the checkpoint of update {int(kept[-1].name)} is kept" if kept else ""
        clip = "" if isinstance(self.task, SelfLearning) else " or set training.clip_norm"
        raise RunError(
            f"{self.folder}: {what} at update {update} (learning rate"
            f" {self.schedule.learning_rate(update):.3g}){before}: lower training.learning_rate{clip}, in"
            " another run"
        )

    def _validation_due(self, group: Group) -> bool:
        every = self.settings.validation
        if every is None:
            return False
        if every.unit == "update":
            return self.update % every.number == 0
        return group.last and (group.epoch + 1) % every.number == 0

    def _log(self, log: Log, epoch: int, total: int) -> None:
        self._check()
        figures = self.meter.figures()
        if figures is None:
            return
        log.write(
            update=self.update, epoch=epoch, **figures, learning_rate=self.schedule.learning_rate(self.update)
        )
        rate = figures["tokens_per_second"]
        self.show.update(self.update, total, epoch, figures["loss"], rate)
        left = (total - self.update) * self.meter.seconds_per_update
        self.show.logged(self.update, total, epoch, figures["loss"], rate, left)
        self.meter.reset()

    def _validate(self, log: Log, epoch: int) -> None:
        """Score dev; keep the weights when they are the best so far."""
        self.averaging.validating(self.model)
        with self.averaging.applied(self.model):
            self.model.eval()
            with torch.no_grad():
                scores = self.task.evaluate([self.model], "dev", quick=True)
            self.model.train()
            best = self.selection.judge(scores, self.update)
            if best:
                self.best = snapshot(self.model)
                write_tensors(self.folder.model, self.best)
        self.schedule.validated(best)
        self.averaging.validated(self.model, self.selection.stalled)
        values = {name: float(score.value) for name, score in scores.items()}
        log.write(update=self.update, epoch=epoch, dev=values, best=best)
        self.show.validated(self.update, values, best)

    def _keep_weights(self) -> None:
        """The last weights, averaged, are the best there are when nothing was ever validated."""
        with self.averaging.applied(self.model):
            write_tensors(self.folder.model, weights(self.model))

    def finish(self, log: Log) -> None:
        """Score dev in full with the best weights; recorded in ``scores.json``, it marks a finished run."""
        if self.settings.validation is not None and self.selection.judged != self.update:
            # Off the grid, so not part of the state: a training that goes on later must not have seen it.
            self._validate(log, self.epoch)
        if self.best is None:
            self._keep_weights()
        scores = {}
        restore(self.model, mapped_tensors(self.folder.model), self.folder.model)
        self.model.eval()
        if self.task.finish(self.model):
            write_tensors(self.folder.model, weights(self.model))
        if self.settings.validation is not None:
            with torch.no_grad():
                scores = self.task.evaluate([self.model], "dev")
        self.folder.write_scores("dev", scores, update=self.update)

    def save(self, logged: int) -> None:
        """Write a checkpoint; the log has ``logged`` lines now.

        Raises:
            RunError: a loss or gradient was not finite, or the disk is full; the checkpoints before are kept.
        """
        self._check()
        parts: dict[str, Mapping[str, Tensor]] = {
            WEIGHTS: weights(self.model),
            _OPTIMIZER: optimizer_tensors(self.optimizer),
            _AVERAGE: self.averaging.tensors(),
            _BEST: self.best or {},
            _CARRIED: {str(i): tensor for i, tensor in enumerate(self.carried or ())},
        }
        record = {
            "epoch": self.epoch,
            "index": self.index,
            "carried": None if self.carried is None else len(self.carried),
            "schedule": self.schedule.record(),
            "selection": self.selection.record(),
            "meter": self.meter.record(),
            "environment": dict(self.environment),
            "logged": logged,
        }
        tensors = {prefix + name: tensor for prefix, each in parts.items() for name, tensor in each.items()}
        checkpoint.save(self.folder.state, self.update, tensors, record, keep=self.settings.keep)

    def resume(self, saved: Checkpoint) -> None:
        """Take over the state of a checkpoint.

        Raises:
            UserError: it is of another model; or more updates are asked for than would change anything.
        """

        def part(prefix: str) -> dict[str, Tensor]:
            found = saved.tensors.items()
            return {name.removeprefix(prefix): each for name, each in found if name.startswith(prefix)}

        def kept(prefix: str) -> dict[str, Tensor]:
            return {name: tensor.to(self.device, copy=True) for name, tensor in part(prefix).items()}

        record = saved.record
        restore(self.model, part(WEIGHTS), self.folder.state / f"{saved.step:08d}")
        load_optimizer(self.optimizer, kept(_OPTIMIZER))
        self.averaging.load(kept(_AVERAGE))
        self.best = kept(_BEST) or None
        carried, tensors = record["carried"], kept(_CARRIED)
        self.carried = None if carried is None else tuple(tensors[str(i)] for i in range(carried))
        self.update, self.epoch, self.index = saved.step, record["epoch"], record["index"]
        self.schedule.load(record["schedule"])
        planned = self.settings.schedule_updates is None
        if planned and self.schedule.ends and self.planned_updates > self.schedule.horizon:
            raise UserError(
                f"{self.folder}: its {self.settings.schedule} schedule reaches a learning rate of 0 at update"
                f" {self.schedule.horizon}, and further ones would change nothing: begin a new run with"
                f" training.start_from = {str(self.folder)!r}"
            )
        self.selection.load(record["selection"])
        self.meter.load(record["meter"])


_OPTIMIZER, _AVERAGE, _BEST, _CARRIED = "optimizer.", "average.", "best.", "carried."


def _tokens(loss: Loss) -> int:
    return loss.count if loss.tokens is None else loss.tokens
