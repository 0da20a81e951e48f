"""What every job has in common: strings become batches, batches a loss, and states strings again.

A task owns the way between a user's text and a model's tensors, and nothing else: the mathematics is in
``nn`` and ``models``, the search in ``decoding``, the scores in ``metrics``. The trainer, the run folder and
the command line know tasks only through this page, so a new job is one new module in this room.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict

from unrolled.errors import UserError
from unrolled.files import write_whole
from unrolled.metrics.by_length import by_length

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from unrolled.metrics.score import Score
    from unrolled.models import Packings

Carried = tuple["Tensor", ...] | None
"""State that passes from one training batch to the next (a language model's), else ``None``."""

Progress = Callable[[str, float], None]
"""``progress(what, share)``: what is being prepared and how much of it is done, from 0 to 1."""

PREPARED = "prepared.json"
"""The file of a run's cache whose presence says that the data are prepared, and how."""

RATE = "share_of_rate"
"""A model's parameter with this attribute learns at that share of the recipe's learning rate."""


def silent(what: str, share: float) -> None:
    """A :data:`Progress` that shows nothing."""


class Sections(BaseModel):
    """The sections of a task's recipe: each a pydantic model owned by the room it configures."""

    model_config = ConfigDict(extra="forbid")


class Batch(Protocol):
    """What one call of :meth:`Task.loss` consumes."""

    @property
    def count(self) -> int:
        """How many predictions its loss sums over."""

    def to(self, device: torch.device | str) -> Self:
        """The same batch on another device."""


@dataclass(frozen=True)
class Loss:
    """A batch's loss: ``total`` in nats, summed over ``count`` predictions (differentiable, scalar).

    Attributes:
        tokens: how many there are in the batch, for the speed that is shown; unless given, one a prediction.
    """

    total: Tensor
    count: int
    carried: Carried = None
    tokens: int | None = None


class Prediction(Protocol):
    """One answer: its text as a person reads it, and everything known about it as plain data."""

    @property
    def text(self) -> str: ...

    def as_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Example:
    """A text that the recipe wants to see answered.

    Attributes:
        answers: the best, first first, as ``(text, score)``.
        given: answers that the recipe proposes, scored alike.
    """

    text: str
    answers: list[tuple[str, float]]
    given: list[tuple[str, float]]


class Predictor(ABC):
    """Trained models put to use: lines in, predictions out, in order, one for each."""

    scored: ClassVar[tuple[str, ...]] = ()
    """What ``score`` takes, a list of lines each, where the models give text a probability."""

    def __init__(self, task: Task, models: Sequence[nn.Module]) -> None:
        self.task = task
        self.models = list(models)

    @cached_property
    def model(self) -> Any:
        """What a search sees: the model, or several as one."""
        from unrolled.models import Ensemble

        return self.models[0] if len(self.models) == 1 else Ensemble(self.models)

    @cached_property
    def _packings(self) -> Packings:
        from unrolled.models import Packings

        return Packings(self.model)

    @property
    def device(self) -> torch.device:
        return next(self.models[0].parameters()).device

    @abstractmethod
    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Prediction]:
        """Answer each line, streaming: a chunk of lines is read only when the one before it is answered.

        Raises:
            UserError: an option this task does not have, or a value out of range.
        """

    def examples(self) -> list[Example]:
        """What the recipe wants shown beside the scores."""
        return []


class Task(ABC):
    """One job. Subclasses are registered by name in :mod:`unrolled.tasks.registry`."""

    name: ClassVar[str]
    """What a recipe calls it: ``task = "translate"``."""
    shape: ClassVar[str]
    """Which shape of sequence model it is: ``"many to many"``, ``"many to one"``, ..."""
    verb: ClassVar[str]
    """The command that uses a trained run: ``unrolled <verb> RUN``."""
    Sections: ClassVar[type[Sections]]
    predictor_type: ClassVar[type[Predictor]]
    reusable: ClassVar[tuple[str, ...]] = ()
    """What of the run's cache is right whatever the recipe says: kept when a preparation begins anew."""
    tables: ClassVar[tuple[str, ...]] = ("embeddings",)
    """Keys of ``[model]`` under which a file of vectors may be named."""
    judged_by: ClassVar[tuple[str, ...]] = ("dev", "test")
    """What of it an evaluation reads, by names without their endings."""

    undigested: ClassVar[tuple[str, ...]] = ("test",)
    """What of it may be other files though a training would be the same, by names without their endings."""

    def __init__(self, sections: Any, folder: Path) -> None:
        self.sections = sections
        self.folder = folder

    @classmethod
    def training_defaults(cls, model: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of ``[training]`` that suit the task where the recipe is silent, given its ``[model]``."""
        return {}

    @classmethod
    @abstractmethod
    def scores_of(cls, sections: Any) -> Sequence[str]:
        """Names of the scores that :meth:`evaluate` gives; the first chooses the best weights unless the
        recipe names another."""

    @property
    def score_names(self) -> Sequence[str]:
        """Those of this recipe (:meth:`scores_of`)."""
        return self.scores_of(self.sections)

    def unlike(self, other: Self) -> str | None:
        """Which key of its recipe makes a run of equal tokenizers read or answer otherwise, if one does."""
        return None

    # Data: prepared once a run, opened ever after.

    @classmethod
    def prepare(cls, sections: Any, folder: Path, progress: Progress = silent) -> Self:
        """Read the data, train the tokenizers, write ids below ``folder/cache``.

        A second call opens what is there.

        Raises:
            UserError: a missing file, unequal line counts, invalid text: file and line, and what to do.
        """
        from unrolled.tasks import pretrained

        done = folder / "cache" / PREPARED
        if done.exists():
            return cls.open(sections, folder)
        pretrained.check(sections, *cls.tables)
        done.parent.mkdir(parents=True, exist_ok=True)
        task, found = cls.prepare_anew(sections, folder, progress)
        found = {**found, "digest": _digest(done.parent, (*cls.reusable, *cls.undigested))}
        # Last, because its presence says that all of the above is whole.
        write_whole(done, json.dumps(found).encode())
        return task

    @classmethod
    @abstractmethod
    def prepare_anew(cls, sections: Any, folder: Path, progress: Progress) -> tuple[Self, dict[str, Any]]:
        """What :meth:`prepare` does where nothing is prepared, and plain data of what was found."""

    @classmethod
    @abstractmethod
    def open(cls, sections: Any, folder: Path) -> Self:
        """The task from its tokenizers alone: all that using a trained model needs.

        Raises:
            UserError: a missing or damaged tokenizer file.
        """

    @abstractmethod
    def build(self) -> nn.Module:
        """The model, with fresh weights drawn from torch's current generator."""

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:  # noqa: B027 (chance is all most have)
        """Give a fresh model what it starts from besides chance (vectors from a file), and say what it is.

        Called once a run, before the first update; not where a run resumes or starts from another's weights.
        """

    # Training.

    @abstractmethod
    def plan(self, seed: int, epoch: int) -> Sequence[Batch]:
        """The batches of one epoch; ``plan[i]`` is made on demand and depends on (seed, epoch, i) alone."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any, carried: Carried = None) -> Loss:
        """The batch's loss under the model; ``carried`` is what the batch before it left."""

    def finish(self, model: nn.Module) -> bool:
        """Complete the weights at the end (a classifier's temperature), with dev or without; whether any
        changed."""
        return False

    # Use.

    @abstractmethod
    def evaluate(
        self, models: Sequence[nn.Module], split: str, *, quick: bool = False, **options: Any
    ) -> dict[str, Score]:
        """The task's own metrics on ``"dev"`` or ``"test"``; ``quick``: what each validation can afford.

        Raises:
            UserError: a split the data does not have, an unknown option.
        """

    @property
    def unconfused(self) -> str | None:
        """Why no evaluation tells which label was taken for which; ``None`` where one does."""
        return "this task has no labels that could be confused"

    def text_digest(self, split: str) -> str | None:
        """Some letters that are others for other texts, where a split's are not kept as they were."""
        return None

    def predictor(self, models: Sequence[nn.Module]) -> Predictor:
        """Trained models put to use; several are an ensemble."""
        return self.predictor_type(self, models)

    @classmethod
    @abstractmethod
    def look(cls, paths: Sequence[Path]) -> str:
        """The text of a commented recipe with settings fitted to the data at ``paths``.

        Raises:
            UserError: files this task cannot read, and what it expects.
        """


class SelfLearning(Task):
    """A task whose model changes its own weights, in native code, instead of by autograd and an optimizer."""

    @abstractmethod
    def learn(self, model: nn.Module, batch: Any, rate: float, seed: int) -> Loss:
        """Change the weights by the batch, in place, and answer its loss before that.

        Args:
            rate: the learning rate of this update.
            seed: of the training; choices depend on it and on where the batch stands in the training.
        """

    def loss(self, model: nn.Module, batch: Any, carried: Carried = None) -> Loss:
        raise TypeError(f"{self.name}: has no loss to differentiate; its model learns by itself")


def problem(why: str) -> dict[str, str]:
    """What an answer's plain data say of why it is empty: nothing where there is no reason."""
    return {"problem": why} if why else {}


def no_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options, where a task has none; any ``seed`` does for one that draws nothing.

    Raises:
        UserError: there are some; the first is named.
    """
    for option in options:
        if option == "by_length":
            raise UserError(f"{name} has no scores by source length: leave --by-length and --plot out")
        if option != "seed":
            raise UserError(f"{name} has no option {option!r}")


def add_by_length(scores: Mapping[str, Score], lengths: Sequence[int]) -> None:
    """Split every score by the lengths of its segments, into its details."""
    for score in scores.values():
        score.details["by_length"] = [each.as_dict() for each in by_length(score, lengths)]


def read_prepared(folder: Path) -> dict[str, Any]:
    """What was found when a run's data were prepared; nothing where that is missing or damaged."""
    try:
        prepared = json.loads((folder / "cache" / PREPARED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return prepared if isinstance(prepared, dict) else {}


def prepared_digest(folder: Path) -> str | None:
    """Some letters that are others for other training data; an older version left none."""
    return read_prepared(folder).get("digest")


def _digest(cache: Path, others: Sequence[str]) -> str:
    """Of all files but ``others``, by names without their endings."""
    whole = hashlib.sha256()
    for path in sorted(path for path in cache.rglob("*") if path.is_file()):
        inside = path.relative_to(cache)
        if not any(f"{inside.parts[0]}.".startswith(f"{other}.") for other in (*others, "sources")):
            with open(path, "rb") as file:
                each = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{inside.as_posix()} {each}\n".encode())
    return whole.hexdigest()[:16]
