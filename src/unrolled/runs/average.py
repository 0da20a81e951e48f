"""One model from several: the mean of their weights, in the place of an ensemble."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from unrolled.errors import UserError
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
    tensors = mean([tensors for _, tensors in found], [str(source) for source in sources])
    target = RunFolder(output)
    target.create()
    (target.path / "cache").mkdir()
    for path in (first.recipe, *first.tokenizers.values()):
        shutil.copyfile(path, target.path / path.name)
    for path in (first.path / "cache").glob("*"):
        if path.name.partition(".")[0] in run.task.judged_by:
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, target.path / "cache" / path.name)
    write_tensors(target.model, tensors)


def mean(each: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> dict[str, Tensor]:
    """The mean of tensors of the same names, summed in float64; whole numbers are the first one's.

    Raises:
        UserError: a name or shape differs; ``names`` say which source it is in.
    """
    for tensors, name in zip(each[1:], names[1:], strict=True):
        for key in sorted(each[0].keys() | tensors.keys()):
            if key not in each[0] or key not in tensors or each[0][key].shape != tensors[key].shape:
                raise UserError(f"{name}: its {key!r} is not that of {names[0]}: they are different models")
    return {
        key: torch.stack([tensors[key].double() for tensors in each]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first
        for key, first in each[0].items()
    }


def _source(path: Path) -> tuple[RunFolder, dict[str, Tensor]]:
    if path.name.isdigit() and path.parent.name == "state":
        tensors = checkpoint.read(path).tensors
        own = {name.removeprefix(WEIGHTS): t for name, t in tensors.items() if name.startswith(WEIGHTS)}
        return RunFolder(path.parent.parent), own
    folder = RunFolder(path)
    folder.check()
    return folder, read_tensors(folder.model)
