"""A task that needs no training: it answers each line in capitals, and scores a line by its length."""

from __future__ import annotations

import io
import json
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled.cli.main import main
from unrolled.errors import RunError, UserError
from unrolled.metrics import accuracy, bleu
from unrolled.tasks import Example


@dataclass
class Answer:
    text: str
    score: float = -0.5
    log_prob: float = -1.0
    nbest: list[Answer] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    source_tokens: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.text, "score": self.score}

    @property
    def words(self) -> list[str]:
        return self.source_tokens

    @property
    def tags(self) -> list[str]:
        return self.tokens

    @property
    def attention(self) -> torch.Tensor:
        return torch.full((len(self.tokens) + 1, len(self.source_tokens)), 1 / len(self.source_tokens))


class Capitals:
    """The predictor; remembers the options it was given, in the run's folder."""

    shows = False
    attends = True

    def __init__(self, task: Any, runs: Sequence[Path]) -> None:
        self.task, self.models, self.runs = task, [None] * len(runs), runs

    def examples(self) -> list[Example]:
        return [Example("a b", [("A B", -0.5), ("A", -1.0)], [("C", -2.5)])] if self.shows else []

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Answer]:
        (self.runs[0] / "options.json").write_text(json.dumps(options))
        for line in lines:
            words = line.split()
            found = Answer(line.upper(), tokens=[word.upper() for word in words], source_tokens=words)
            found.nbest = [Answer(f"{line.upper()} {n}", -float(n)) for n in range(options.get("nbest", 0))]
            yield found


class TwoSided(Capitals):
    scored = ("sources", "targets")

    def score(self, sources: Sequence[str], targets: Sequence[str], **options: Any) -> list[Answer]:
        if len(sources) != len(targets):
            raise UserError("they are scored in pairs")
        return [Answer(target, -len(target) / 2, -float(len(target))) for target in targets]


class OneSided(Capitals):
    scored = ("lines",)

    def score(self, lines: Sequence[str], **options: Any) -> list[Answer]:
        return [Answer(line, -len(line) / 2, -float(len(line))) for line in lines]

    def generate(
        self, prompt: str, *, samples: int, show: Callable[[str], None] | None, **options: Any
    ) -> list[Answer]:
        (self.runs[0] / "options.json").write_text(json.dumps(options))
        for piece in (prompt, " ", "0") if show else ():
            show(piece)
        return [Answer(f"{prompt} {number}") for number in range(samples)]

    def tag_columns(self, lines: Iterable[str], path: str, *, conllu: bool) -> Iterator[str]:
        return (f"{line} {'conllu' if conllu else 'columns'}" for line in lines)


@pytest.fixture
def fake_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a run folder of a task with the given verb, and lets the command line load it."""
    import importlib

    from unrolled import tasks

    load_module = importlib.import_module("unrolled.runs.load")
    made: dict[str, types.SimpleNamespace] = {}

    def evaluate(models: Sequence[Any], split: str, **options: Any) -> dict[str, Any]:
        if split not in ("dev", "test"):
            raise UserError(f"the data has no split {split!r}")
        rng = np.random.default_rng(len(models))
        lines = ["the cat sat on the mat", "a dog ran", "birds sing in the morning"] * 5
        outputs = [" ".join(w if rng.random() < 0.8 else "x" for w in line.split()) for line in lines]
        found = bleu(outputs, [[line] for line in lines])
        if options.get("by_length"):
            found.details["by_length"] = [
                {"label": "0–3", "segments": 5, "mean_length": 3.0, "value": 50.0, "low": 40.0, "high": 60.0},
                {
                    "label": "over 3",
                    "segments": 10,
                    "mean_length": 5.5,
                    "value": 45.0,
                    "low": None,
                    "high": None,
                },
            ]
        return {"bleu": found}

    def evaluate_labels(models: Sequence[Any], split: str, **options: Any) -> dict[str, Any]:
        found = accuracy(["a", "b", "b"], ["a", "a", "b"])
        found.details["confusion"] = {"labels": ["a", "b"], "counts": [[1, 1], [0, 1]]}
        return {"accuracy": found}

    def make(
        verb: str = "translate",
        name: str = "run",
        *,
        shows: bool = False,
        attends: bool = True,
        several: bool = False,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "format_version").write_text("1\n")
        task = types.SimpleNamespace(
            name=f"task-{verb}",
            verb=verb,
            shape="many to many",
            folder=folder,
            evaluate=evaluate_labels if verb == "classify" else evaluate,
            shows=shows,
            attends=attends,
            unconfused=None if verb == "classify" else "this task has no labels that could be confused",
            score_names=("accuracy",) if verb == "classify" else ("bleu",),
            sections=types.SimpleNamespace(decoding=types.SimpleNamespace(several=several)),
        )
        made[str(folder)] = task
        return folder

    def task_of(folder: Any) -> types.SimpleNamespace:
        if str(folder) not in made:
            raise UserError(f"{folder}: no such run folder")
        return made[str(folder)]

    def load(run: Any, device: str = "cpu", threads: int | None = None) -> Capitals:
        runs = run if isinstance(run, list) else [run]
        task = task_of(runs[0])
        (runs[0] / "loaded.json").write_text(json.dumps({"device": device, "threads": threads}))
        predictor = (TwoSided if task.verb == "translate" else OneSided)(task, runs)
        predictor.shows, predictor.attends = task.shows, task.attends
        return predictor

    def open_recipe(folder: Any) -> types.SimpleNamespace:
        return types.SimpleNamespace(task=task_of(folder).name, training=types.SimpleNamespace(updates=100))

    real_find = tasks.find
    by_name = lambda name: next((t for t in made.values() if t.name == name), None) or real_find(name)  # noqa: E731
    monkeypatch.setattr(load_module, "load", load)
    monkeypatch.setattr(load_module, "open_recipe", open_recipe)
    monkeypatch.setattr(tasks, "find", by_name)
    return make


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The one JSON document of the output."""
        return json.loads(self.out)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a function, given by its dotted name, one that cannot write."""

    def written(*args: Any, **options: Any) -> None:
        raise RunError("cannot be written: Read-only file system")

    return lambda name: monkeypatch.setattr(name, written)


@pytest.fixture
def unrolled(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs the command line in this process: ``unrolled("bleu", path, stdin=...)``."""

    def run(*arguments: object, stdin: str | bytes = "") -> Outcome:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run
