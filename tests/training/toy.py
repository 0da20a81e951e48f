"""A task that trains in milliseconds, with all that a trainer carries: dropout, state, tied weights, buffers.

Run as a program it trains: ``toy.py RECIPE RUN [key=value …]``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from unrolled import tasks
from unrolled.errors import UserError
from unrolled.metrics import Score
from unrolled.tasks import Loss
from unrolled.tasks.task import Carried, Progress


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    root: str = Field(".", description="where the data is")
    rows: int = Field(40, ge=1, description="how many rows")
    columns: tuple[int, int] | str = Field((1, 2), description="which columns")
    noise: float = Field(0.1, ge=0, description="how far targets are off")


class Half(Section):
    kind: str = Field("word", description="what a token is")
    size: int | None = Field(None, description="how many")


class Text(Section):
    source: Half = Field(default_factory=Half, description="the side read")


class Model(Section):
    hidden: int = Field(4, ge=1, description="units")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of units left out")
    explode_at: int | None = Field(None, description="epoch in which the loss stops being a number")


class Batches(Section):
    batch_rows: int = Field(8, ge=1, description="rows in a batch")


class Sections(tasks.Sections):
    data: Data
    text: Text
    model: Model
    training: Batches


@dataclass
class Rows:
    inputs: Tensor
    targets: Tensor

    @property
    def count(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> Rows:
        return Rows(self.inputs.to(device), self.targets.to(device))


@dataclass
class Number:
    text: str

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.text}


class Regression(nn.Module):
    def __init__(self, settings: Model) -> None:
        super().__init__()
        self.inside = nn.Linear(3, settings.hidden)
        self.tied = nn.Linear(3, settings.hidden)
        self.tied.weight = self.inside.weight
        self.norm = nn.BatchNorm1d(settings.hidden)  # Its buffers are floating and whole numbers.
        self.outside = nn.Linear(settings.hidden, 1)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, inputs: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(self.inside(inputs) + 0.1 * self.tied(inputs) + before)
        return self.outside(self.dropout(self.norm(hidden)))[:, 0], hidden.mean(0)


class ToyPredictor(tasks.Predictor):
    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Number]:
        for line in lines:
            inputs = torch.tensor(
                [[float(part) for part in line.split()]], dtype=self.task.dtype(self.models)
            )
            with torch.no_grad():
                outputs = [model(inputs, torch.zeros((), dtype=inputs.dtype))[0] for model in self.models]
            yield Number(f"{float(torch.stack(outputs).mean()):.6f}")


class Toy(tasks.Task):
    name, shape, verb = "toy", "many to one", "predict"
    Sections = Sections
    predictor_type = ToyPredictor
    tables = ()

    @classmethod
    def scores_of(cls, sections: Any) -> Sequence[str]:
        return ("loss",)

    @classmethod
    def prepare_anew(cls, sections: Any, folder: Path, progress: Progress) -> tuple[Toy, dict[str, Any]]:
        progress("reading", 0.0)
        if sections.data.noise == 99:
            raise UserError("data.txt:7: is bad")
        tokenizer = folder / "tokenizer.toy.json"
        if not tokenizer.exists():
            tokenizer.write_text(f'{{"kind": "{sections.text.source.kind}"}}')
        return cls.open(sections, folder), {}

    @classmethod
    def open(cls, sections: Any, folder: Path) -> Toy:
        if not (folder / "tokenizer.toy.json").exists():
            raise UserError(f"{folder / 'tokenizer.toy.json'}: missing")
        return cls(sections, folder)

    @staticmethod
    def dtype(models: Sequence[nn.Module]) -> torch.dtype:
        return next(models[0].parameters()).dtype

    def build(self) -> nn.Module:
        return Regression(self.sections.model)

    def rows(self, seed: int, count: int) -> Rows:
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(count, 3, generator=generator)
        noise = self.sections.data.noise * torch.randn(count, generator=generator)
        return Rows(inputs, inputs @ torch.tensor([1.0, -2.0, 0.5]) + noise)

    def plan(self, seed: int, epoch: int) -> Sequence[Rows]:
        everything = self.rows(0, self.sections.data.rows)
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        order = torch.randperm(self.sections.data.rows, generator=generator)
        if epoch == self.sections.model.explode_at:
            everything.targets[:] = float("inf")
        return [
            Rows(everything.inputs[rows], everything.targets[rows])
            for rows in order.split(self.sections.training.batch_rows)
            if len(rows) > 1
        ]

    def loss(self, model: nn.Module, batch: Any, carried: Carried = None) -> Loss:
        dtype = self.dtype([model])
        before = carried[0] if carried else torch.zeros((), dtype=dtype)
        outputs, after = model(batch.inputs.to(dtype), before)
        return Loss(((outputs - batch.targets.to(dtype)) ** 2).sum(), batch.count, (after,))

    def evaluate(
        self, models: Sequence[nn.Module], split: str, *, quick: bool = False, **options: Any
    ) -> dict[str, Score]:
        batch = self.rows(1, 30)
        assert not any(model.training for model in models)
        dtype = self.dtype(models)
        outputs = torch.stack(
            [model(batch.inputs.to(dtype), torch.zeros((), dtype=dtype))[0] for model in models]
        )
        error = float(((outputs.mean(0) - batch.targets) ** 2).mean())
        scores = {"loss": Score("loss", error, higher_is_better=False)}
        return scores if quick else {**scores, "negative": Score("negative", -error)}

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return 'task = "toy"\n'


if "toy" not in tasks.names():
    tasks.register(Toy)

if __name__ == "__main__":
    from unrolled.training import train

    try:
        train(sys.argv[1], sys.argv[2], overrides=sys.argv[3:], threads=1, progress=False)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
