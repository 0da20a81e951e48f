"""From a run folder to a predictor: ``load("runs/fr-en")``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from unrolled import tasks
from unrolled.errors import UserError
from unrolled.runs.device import device as find_device
from unrolled.runs.device import use_threads
from unrolled.runs.folder import RunFolder
from unrolled.runs.recipe import Recipe
from unrolled.runs.weights import mapped_tensors, restore


def load(
    run: str | Path | Sequence[str | Path], device: str | torch.device = "cpu", threads: int | None = None
) -> tasks.Predictor:
    """A trained run, ready to answer; several runs of one task are an ensemble.

    Raises:
        UserError: a missing or damaged file, another format version, a run without weights yet, runs of an
            ensemble that differ in task or tokenizers.
    """
    folders = [RunFolder(run)] if isinstance(run, str | Path) else [RunFolder(each) for each in run]
    if not folders:
        raise UserError("no run given")
    place = find_device(device)
    use_threads(threads)
    first = folders[0]
    recipe = open_recipe(first)
    check_trained(first)
    task = tasks.find(recipe.task).open(recipe.sections, first.path)
    models = [trained(task, recipe, first, place)]
    for folder in folders[1:]:
        own = open_recipe(folder)
        same_task(recipe, first, own, folder)
        same_tokenizers(first, folder)
        voting = tasks.find(own.task).open(own.sections, folder.path)
        same_reading(task, first, voting, folder)
        models.append(trained(voting, own, folder, place))
    return task.predictor(models)


def open_recipe(folder: RunFolder) -> Recipe:
    """The recipe a run was trained with.

    Raises:
        UserError: not a run, another format version, a missing or damaged recipe.
    """
    folder.check()
    if not folder.recipe.is_file():
        raise UserError(f"{folder.recipe}: missing: this run cannot be used without it")
    return Recipe.read(folder.recipe)


def check_trained(folder: RunFolder) -> None:
    """Refuse a run that has no weights.

    Raises:
        UserError: it has none.
    """
    if not folder.model.is_file():
        raise UserError(
            f"{folder.model}: missing: the run has no weights before its first validation; train it further"
        )


def open_task(folder: RunFolder) -> tasks.Task:
    """The job that a run was trained for, as its preparation left it.

    Raises:
        UserError: as :func:`open_recipe`.
    """
    recipe = open_recipe(folder)
    return tasks.find(recipe.task).open(recipe.sections, folder.path)


def trained(task: tasks.Task, recipe: Recipe, folder: RunFolder, device: torch.device) -> nn.Module:
    """The task's model with the run's best weights, in evaluation mode.

    Raises:
        UserError: the run has no weights, they are damaged, or belong to another model.
    """
    check_trained(folder)
    with torch.random.fork_rng(devices=[]):  # Fresh weights draw numbers; the caller's generator is not ours.
        model = task.build()
    if recipe.training.precision == "float64":
        model = model.double()
    restore(model, mapped_tensors(folder.model), folder.model)
    return model.to(device).eval()


def same_task(recipe: Recipe, folder: RunFolder, other: Recipe, other_folder: RunFolder) -> None:
    """Refuse two runs of different tasks.

    Raises:
        UserError: they do; both are named.
    """
    if recipe.task != other.task:
        raise UserError(
            f"{folder} is a run of {recipe.task!r}, {other_folder} of {other.task!r}: give runs of one task"
        )


def same_reading(task: tasks.Task, folder: RunFolder, other: tasks.Task, other_folder: RunFolder) -> None:
    """Refuse two runs of one task that do not read, or answer, alike.

    Raises:
        UserError: they do not; the recipe's key is named.
    """
    key = task.unlike(other)
    if key is not None:
        raise UserError(f"{folder} and {other_folder} differ in {key}: they cannot answer together")


def same_tokenizers(folder: RunFolder, other: RunFolder) -> None:
    """Refuse two runs whose ids do not mean the same.

    Raises:
        UserError: they do not; the file is named.
    """
    mine, theirs = folder.tokenizers, other.tokenizers
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in mine or name not in theirs or mine[name].read_bytes() != theirs[name].read_bytes():
            raise UserError(
                f"{other.path / name}: differs from {folder.path / name}: their words have other numbers"
            )
