"""What of a recipe can be refused before its data are prepared, which may take long."""

from __future__ import annotations

import torch

from unrolled import tasks, text
from unrolled.errors import UserError
from unrolled.runs import Recipe, TrainingSettings
from unrolled.training.selection import Selection

_DESCENT = (
    "precision",
    "optimizer",
    "betas",
    "epsilon",
    "momentum",
    "weight_decay",
    "clip_norm",
    "clip_value",
)


def check_training(recipe: Recipe, device: torch.device) -> None:
    """Refuse settings of ``[training]`` that do not fit the device, the task or the data.

    Raises:
        UserError: one does not; it is named.
    """
    task, settings = tasks.find(recipe.task), recipe.training
    if settings.precision == "bfloat16" and device.type == "cpu":
        raise UserError("training.precision: bfloat16 needs a GPU; on this device use float32")
    scores = task.scores_of(recipe.sections)
    Selection(settings.selection, scores)
    if settings.validation is not None and not scores:
        raise UserError("nothing to score dev with: give [metrics], or set training.validate_every = 0")
    if issubclass(task, tasks.SelfLearning):
        for key in _DESCENT:
            if getattr(settings, key) != TrainingSettings.model_fields[key].default:
                raise UserError(
                    f"training.{key}: this task's model changes its own weights; leave the key out"
                )
    data = getattr(recipe.sections, "data", None)
    if settings.validation is not None and isinstance(data, text.Parted) and not data.has("dev"):
        raise UserError(
            "no dev part to choose the best weights by: give data.dev or data.dev_size, or set"
            " training.validate_every = 0 to keep the last"
        )
