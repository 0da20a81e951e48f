"""``train("my.toml", run="runs/fr-en")``: begin a run, or go on with it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from unrolled import tasks
from unrolled.errors import RunError, UserError
from unrolled.files import left_over, writing
from unrolled.runs import Recipe, RunFolder, checkpoint, load
from unrolled.runs.device import device as find_device
from unrolled.runs.device import use_threads
from unrolled.runs.load import open_recipe, same_tokenizers
from unrolled.runs.weights import mapped_tensors, restore
from unrolled.tasks.task import PREPARED, prepared_digest
from unrolled.text.settings import expand
from unrolled.training import sources
from unrolled.training.checks import check_training
from unrolled.training.exactness import check_environment, deterministic, environment, seed_for
from unrolled.training.interruption import deferred
from unrolled.training.log import Log
from unrolled.training.progress import Show
from unrolled.training.schedule import Schedule
from unrolled.training.trainer import Trainer, reached


def train(
    recipe: str | Path | Recipe,
    run: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    device: str | torch.device = "auto",
    threads: int | None = None,
    seed: int | None = None,
    allow_inexact: bool = False,
    progress: bool = True,
) -> tasks.Predictor:
    """Train by a recipe in the folder ``run`` (``runs/<recipe's name>``), and answer the trained predictor.

    The same call again resumes where the last checkpoint stands, and ends with the weights that an
    uninterrupted training has, bit for bit (skip-gram and CBOW on several threads: with
    ``model.reproducible`` alone); a finished run is left as it is.

    Args:
        recipe: its path, the name of a shipped one, or a :class:`Recipe`.
        overrides: ``section.key=value``, over what the recipe says.
        threads: how many PyTorch computes with; recorded.
        seed: over ``training.seed``.
        allow_inexact: resume under another thread count, device, kernel path, version or processor, or with
            other data.

    Raises:
        UserError: a mistake in the recipe, the data or an option; a recipe changed under an existing run.
        RunError: a loss that is not finite, a full disk, a run whose state is lost.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; the state is saved.
    """
    if isinstance(recipe, Recipe):
        if overrides:
            raise ValueError(
                "overrides apply to a recipe that is read: give its path, or change the Recipe itself"
            )
    else:
        recipe = Recipe.read(recipe, overrides)
    if seed is not None:
        recipe = recipe.with_seed(seed)
    own = issubclass(tasks.find(recipe.task), tasks.SelfLearning)
    place = torch.device("cpu") if own else find_device(device)  # native code knows no other device
    check_training(recipe, place)
    folder = RunFolder(run if run is not None else Path("runs") / recipe.name)
    folder.create()
    with ExitStack() as stack:
        show = stack.enter_context(Show(progress))
        stack.enter_context(folder.lock())
        for path in folder.path.glob(f".{folder.model.name}.*"):  # half written by a training that was killed
            if left_over(path):
                path.unlink(missing_ok=True)
        stack.enter_context(deterministic(place))
        use_threads(threads)
        _fit(recipe, folder, place, allow_inexact, show)
    return load(folder.path, place)


def _fit(recipe: Recipe, folder: RunFolder, device: torch.device, allow_inexact: bool, show: Show) -> None:
    saved = _last_state(folder, show)
    now = environment(device)
    cache = folder.path / "cache"
    found = sources.stamps(getattr(recipe.sections, "data", None))
    if saved is not None:
        _check_unchanged(recipe, folder)
        prepared = (cache / PREPARED).exists()
        goes_on = "goes on with what it was: to learn from it as it is, train into another folder"
        what = goes_on if prepared else "is prepared again with what it is now"
        for source in sources.changed(cache, found):
            show.say(f"{source}: changed since {folder} was prepared, which {what}")
        if not prepared:
            _check_tokenizers(recipe, folder)
        if _finished(recipe, folder, saved):
            if not prepared:
                try:
                    _prepare(recipe, folder, found, show)
                except UserError as error:
                    show.say(f"{error} (evaluating needs the data, using the run does not)")
            recipe.write(folder.recipe)  # what may change: how long, how often
            show.say(f"{folder}: finished after {saved.step} updates; nothing to do{_advice(recipe, saved)}")
            return
        if not allow_inexact:
            check_environment(folder, saved.record["environment"], now)
    else:
        # What an interrupted or refused preparation left may be half, or of another recipe.
        for path in folder.tokenizers.values():
            path.unlink()
        for path in cache.glob("*"):
            if path.name not in tasks.find(recipe.task).reusable:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        recipe.write(folder.recipe)
    start = _start(recipe, folder) if saved is None else None
    task = _prepare(recipe, folder, found, show)
    now["data"] = prepared_digest(folder.path)
    if saved is not None and not allow_inexact:
        _check_data(folder, saved.record["environment"], now)
    torch.manual_seed(seed_for(recipe.training.seed, 0))
    model = task.build()
    if recipe.training.precision == "float64":
        model = model.double()
    if start is not None:
        same_tokenizers(start, folder)
        restore(model, mapped_tensors(start.model), start.model)
    elif saved is None:
        task.begin(model, show.say)
    trainer = Trainer(task, model.to(device), recipe.training, folder, device, now, show)
    if saved is None:
        trainer.save(logged=0)
    else:
        trainer.resume(saved)
        recipe.write(folder.recipe)
        saved.tensors.clear()  # the model has them
        show.say(f"{folder}: going on from update {trainer.update}")
        with writing(folder.scores):
            folder.scores.unlink(missing_ok=True)  # of the weights that were best until now
    logged = saved.record["logged"] if saved is not None else 0
    log = Log(folder.log, logged, trainer.update, tensorboard=recipe.training.tensorboard)
    try:
        with deferred(show.say) as interruption:
            trainer.fit(log, interruption)
        trainer.finish(log)  # all updates are saved: to be interrupted now costs nothing
    finally:
        log.close()


def _prepare(recipe: Recipe, folder: RunFolder, found: sources.Stamps, show: Show) -> tasks.Task:
    """The task, its data prepared; of what ``found`` tells of the files is kept if they are read now."""
    prepared = (folder.path / "cache" / PREPARED).exists()
    task = tasks.find(recipe.task).prepare(recipe.sections, folder.path, show.prepare)
    if not prepared:
        sources.record(folder.path / "cache", found)
    return task


def _finished(recipe: Recipe, folder: RunFolder, saved: checkpoint.Checkpoint) -> bool:
    """Whether the training ended there, and its weights and their scores are whole."""
    scored = folder.read_scores().get("update") == saved.step
    return scored and bool(_reached(recipe, saved)) and _whole(folder.model)


def _reached(recipe: Recipe, saved: checkpoint.Checkpoint) -> list[str]:
    record = saved.record
    return reached(recipe.training, saved.step, record["epoch"], record["selection"]["stalled"])


def _advice(recipe: Recipe, saved: checkpoint.Checkpoint) -> str:
    """What goes on with a finished training, if anything does."""
    keys = _reached(recipe, saved)
    if keys != ["patience"] and Schedule(recipe.training, saved.step).ends:
        return ""
    return f" (a larger {' and '.join(f'training.{key}' for key in keys)} goes on from there)"


def _check_tokenizers(recipe: Recipe, folder: RunFolder) -> None:
    """Refuse to learn tokenizers anew, whose ids the weights would take for others.

    Raises:
        UserError: one is missing or damaged.
    """
    try:
        tasks.find(recipe.task).open(recipe.sections, folder.path)
    except UserError as error:
        raise UserError(f"{error}: put it back, or train into another folder") from None


def _check_data(folder: RunFolder, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse training data that were prepared again and are others; an older version did not record which.

    Raises:
        UserError: they are; they are to be prepared once more, lest the next training take them for its own.
    """
    if now["data"] != recorded.get("data", now["data"]):
        with writing(folder.path):
            (folder.path / "cache" / PREPARED).unlink(missing_ok=True)
        raise UserError(
            f"{folder}: its training data were prepared again, and are not those that it was trained on: put"
            " these back, train into another folder, or give --allow-inexact to go on regardless"
        )


def _whole(model: Path) -> bool:
    """Whether the weights are there: else the state has them to write again."""
    try:
        mapped_tensors(model)
    except UserError:
        return False
    return True


def _last_state(folder: RunFolder, show: Show) -> checkpoint.Checkpoint | None:
    """The checkpoint to go on from; ``None`` where nothing was trained yet.

    Raises:
        RunError: something was, but its state is lost or damaged.
    """
    saved = checkpoint.latest(folder.state, show.say)
    if saved is None and (folder.log.exists() or folder.model.exists()):
        raise RunError(
            f"{folder.state}: missing, but this run was trained before: put it back or use another folder"
        )
    return saved


def _check_unchanged(recipe: Recipe, folder: RunFolder) -> None:
    """Refuse a recipe that is not the run's.

    Raises:
        UserError: a key differs that may not; it is named with both values.
    """
    recorded = open_recipe(folder)
    if recipe.task != recorded.task:
        raise UserError(
            f"{folder}: was begun for task {recorded.task!r}, and this recipe is for {recipe.task!r}: train"
            " into another folder with --run"
        )
    changed = recipe.changes(recorded)
    if changed:
        mine, theirs = recipe.settings(), recorded.settings()
        before = theirs[changed[0]].value if changed[0] in theirs else "not there"
        after = mine[changed[0]].value if changed[0] in mine else "not there"
        more = [*changed[1:4], *([f"{len(changed) - 4} more"] if len(changed) > 4 else [])]
        others = f" (and {', '.join(more)})" if more else ""
        raise UserError(
            f"{folder}: {changed[0]} was {before!r} when this run began and is {after!r} now{others}:"
            " put it back, or train into another folder"
        )


def _start(recipe: Recipe, folder: RunFolder) -> RunFolder | None:
    """The run whose weights training starts from, its tokenizers copied, so that ids mean the same.

    Raises:
        UserError: not a run, or one without weights.
    """
    if recipe.training.start_from is None:
        return None
    start = RunFolder(expand(recipe.training.start_from))
    start.check()
    mapped_tensors(start.model)
    for name, path in start.tokenizers.items():
        shutil.copyfile(path, folder.path / name)
    return start
