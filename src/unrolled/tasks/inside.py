"""What a job opens to whoever wants to look inside: one pass over given text, and one search.

The views (:mod:`unrolled.inspection`) know a trained run only through this page: what a task is good for is
what its predictor inherits from here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from unrolled.errors import UserError
from unrolled.tasks.task import Predictor

if TYPE_CHECKING:
    from unrolled.decoding import BeamTrace
    from unrolled.metrics.score import Score
    from unrolled.models import Forced


class HeldOut(NamedTuple):
    """A text the model was not trained on, and every answer that counts as right (none for a stream)."""

    text: str
    references: list[str]


@dataclass(frozen=True)
class Reading:
    """Texts about to go through a model together, one a column of the batch.

    Attributes:
        tokens: which part of the model reads what: the part's name among ``model.named_modules()`` → the
            token of each of its steps, one list a text.
        separators: what stands between the tokens of each part.
        part: the part whose steps predict.
        expected: what it should say at each step, one list a text; ``""`` where nothing is predicted.
        attended: what the columns of attention stand for, one list a text; None without attention.
        whole: whether what is predicted is of the whole text, not of a step: a label, put at the last one.
        run: the pass itself. Its log-probabilities ``(time, batch)`` stand in step with ``expected`` and are
            differentiable.
    """

    tokens: dict[str, list[list[str]]]
    separators: dict[str, str]
    part: str
    expected: list[list[str]]
    attended: list[list[str]] | None
    run: Callable[[], Forced]
    whole: bool = False


class Readable(Predictor):
    """A predictor whose model can be looked into while it reads."""

    @property
    def attends(self) -> bool:
        """Whether the model has attention to show."""
        return False

    def texts(self, lines: Sequence[str]) -> list[str]:
        """The texts that lines of a file are: each by itself, empty ones left out."""
        return [line for line in lines if line.strip()]

    @abstractmethod
    def read(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> Reading:
        """Make ready to pass over texts and the answers to them; the model's own where none are given.

        Raises:
            UserError: unequal numbers of texts and answers, or answers to a model that gives none.
        """

    @abstractmethod
    def held_out(self, split: str, count: int | None = None) -> list[HeldOut]:
        """The first ``count`` texts of ``"dev"`` or ``"test"``; all of them unless given.

        Raises:
            UserError: the run has no such data.
        """


class Answer(Protocol):
    """An answer under the model; ``score`` is its log-probability over lengthᵅ, by which searches rank."""

    @property
    def text(self) -> str: ...

    @property
    def score(self) -> float: ...

    @property
    def tokens(self) -> list[str]: ...


class GivenAnswer(Answer, Protocol):
    """One that was not searched for; its tokens end in eos, and ``unknown`` of them are unknown words."""

    @property
    def unknown(self) -> int: ...


@dataclass(frozen=True)
class Traced:
    """One text's search.

    Attributes:
        trace: its tree; the first sentence is the text.
        names: every token by id.
        length_penalty: α.
        reference: the ids of the reference, eos last; None where none was given.
    """

    trace: BeamTrace
    names: list[str]
    length_penalty: float
    reference: list[int] | None


class Searching(Readable):
    """A predictor whose answer is a sequence that a search finds."""

    @abstractmethod
    def trace(self, text: str, reference: str | None = None, **options: Any) -> Traced:
        """Search for the answer to one text and keep everything that was looked at.

        Raises:
            UserError: an empty text, or an option out of range.
        """

    @abstractmethod
    def answers(self, texts: Sequence[str], **options: Any) -> Sequence[Answer]:
        """The best answer to each text that the search finds; options are those of ``[decoding]``."""

    @abstractmethod
    def score(self, sources: Sequence[str], targets: Sequence[str], **options: Any) -> Sequence[GivenAnswer]:
        """What the model thinks of given answers."""

    @abstractmethod
    def judge(self, answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
        """The task's own metrics of given answers."""


def answered(texts: Sequence[str], answers: Sequence[str] | None) -> Sequence[str] | None:
    """The answers, when there is one for each text.

    Raises:
        UserError: there is not.
    """
    if answers is not None and len(answers) != len(texts):
        raise UserError(f"{len(texts)} texts but {len(answers)} answers: one each")
    return answers


def check_read(lengths: Iterable[int]) -> None:
    """Refuse a text without anything to read.

    Raises:
        UserError: it is named by its number.
    """
    for number, length in enumerate(lengths, 1):
        if not length:
            raise UserError(f"text {number} is empty: there is nothing to look into")
