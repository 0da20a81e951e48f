"""From a run folder to a predictor: ``load("runs/fr-en")``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
    run: str | Path | Sequence[str | Path], device: str | torch.device = "auto", threads: int | None = None
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
    for folder in folders:
        folder.check()
        check_trained(folder)
    first = opened(folders[0])
    voting = [first, *(beside(first, folder) for folder in folders[1:])]
    return first.task.predictor([trained(each, place) for each in voting])


class Opened(NamedTuple):
    """A run, its recipe and its job."""

    folder: RunFolder
    recipe: Recipe
    task: tasks.Task


def opened(folder: RunFolder) -> Opened:
    """A run as its preparation left it, trained or not.

    Raises:
        UserError: as :func:`open_recipe`; or a file that it needs is missing or damaged.
    """
    return _open(folder, open_recipe(folder))


def _open(folder: RunFolder, recipe: Recipe) -> Opened:
    return Opened(folder, recipe, tasks.find(recipe.task).open(recipe.sections, folder.path))


def beside(first: Opened, folder: RunFolder) -> Opened:
    """Another run, whose model may answer together with the first one's.

    Raises:
        UserError: as :func:`opened`; or the two differ in task, tokenizers, or a key by which they read or
            answer otherwise.
    """
    recipe = open_recipe(folder)
    if recipe.task != first.recipe.task:
        raise UserError(
            f"{first.folder} is a run of {first.recipe.task!r}, {folder} of {recipe.task!r}: give runs of one"
            " task"
        )
    same_tokenizers(first.folder, folder)
    other = _open(folder, recipe)
    key = first.task.unlike(other.task)
    if key is not None:
        raise UserError(f"{first.folder} and {folder} differ in {key}: they cannot answer together")
    return other


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
            " (the same command writes those of a finished run again)"
        )


def trained(run: Opened, device: torch.device) -> nn.Module:
    """The task's model with the run's best weights, in evaluation mode.

    Raises:
        UserError: the weights are damaged, or belong to another model.
    """
    with torch.random.fork_rng(devices=[]):  # Fresh weights draw numbers; the caller's generator is not ours.
        model = run.task.build()
    if run.recipe.training.precision == "float64":
        model = model.double()
    restore(model, mapped_tensors(run.folder.model), run.folder.model)
    return model.to(device).eval()


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
