"""One model from several: the mean of their weights, in the place of an ensemble."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from unrolled import models
from unrolled.errors import UserError
from unrolled.files import writing
from unrolled.runs import checkpoint
from unrolled.runs.folder import RunFolder
from unrolled.runs.load import beside, opened
from unrolled.runs.weights import read_tensors, write_tensors

WEIGHTS = "weights."
"""How a checkpoint names the model's tensors among its others."""


def average(sources: Sequence[str | Path], output: str | Path) -> None:
    """Write a run to ``output`` whose weights are the mean of several runs' or checkpoints'.

    Each source is a run folder (its best weights) or a checkpoint in one (``RUN/state/00001200``). The
    recipe and the tokenizers are the first one's; all must agree in task and tokenizers. Averaging pays
    where the sources lie close together: checkpoints of one training, or trainings from one start.

    Raises:
        UserError: nothing to average, a missing or damaged source, sources that do not fit together, an
            ``output`` that exists.
        RunError: the disk is full or cannot be written; nothing is left at ``output``.
    """
    if not sources:
        raise UserError("no run given")
    if Path(output).exists():
        raise UserError(f"{output}: exists: give a new folder")
    found = [_source(Path(source)) for source in sources]
    run = opened(found[0][0])
    first = run.folder
    for folder, _ in found[1:]:
        beside(run, folder)
    tensors = models.average([tensors for _, tensors in found], list(map(str, sources)))
    output = Path(output)
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as unfinished:
            target = RunFolder(Path(unfinished) / output.name)
            target.create()
            (target.path / "cache").mkdir()
            for path in (first.recipe, *first.tokenizers.values()):
                shutil.copyfile(path, target.path / path.name)
            for path in (first.path / "cache").glob("*"):
                if path.name.partition(".")[0] in run.task.judged_by:
                    copy = shutil.copytree if path.is_dir() else shutil.copyfile
                    copy(path, target.path / "cache" / path.name)
            write_tensors(target.model, tensors)
            target.path.rename(output)


def _source(path: Path) -> tuple[RunFolder, dict[str, Tensor]]:
    if path.name.isdigit() and path.parent.name == "state":
        tensors = checkpoint.read(path).tensors
        own = {name.removeprefix(WEIGHTS): t for name, t in tensors.items() if name.startswith(WEIGHTS)}
        return RunFolder(path.parent.parent), own
    folder = RunFolder(path)
    folder.check()
    return folder, read_tensors(folder.model)
