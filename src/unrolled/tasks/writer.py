"""The trained models of the tasks that write: a source in, texts out, each with its score.

A subclass says what an answer is beside what the search found.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from unrolled import decoding, metrics, models
from unrolled.errors import UserError
from unrolled.tasks import inside, rows

if TYPE_CHECKING:
    from unrolled.tasks.writing import WritingTask

S = TypeVar("S", bound=Sized)
W = TypeVar("W", bound="Written")


@dataclass(frozen=True)
class Written:
    """What was written for one source.

    Attributes:
        text: as a person reads it.
        score: log-probability divided by length to the power of the length penalty.
        log_prob: natural logarithm of P(target | source), eos counted.
        tokens: target tokens, eos not among them.
        nbest: the best of them, this one first, when more than one was asked for.
    """

    text: str = ""
    score: float = 0.0
    log_prob: float = 0.0
    tokens: list[str] = field(default_factory=list)
    nbest: list[Self] = field(default_factory=list)
    _attend: Callable[[], Float[Tensor, "target source"]] | None = field(
        default=None, repr=False, compare=False
    )

    @cached_property
    def attention(self) -> Float[Tensor, "target source"]:
        """How much each target token, eos last, looked at each position of the source; computed when asked.

        A translator's leave out the source's own eos, so that a row's sum is below 1 by what looked there.

        Raises:
            UserError: the model has no attention.
        """
        if self._attend is None:
            raise UserError('no attention: nothing to read, or a model trained with attention = "none"')
        return self._attend()

    def as_dict(self) -> dict[str, Any]:
        """Plain data; the n-best list only when there is one."""
        found: dict[str, Any] = {"text": self.text, "score": self.score, "log_prob": self.log_prob}
        if self.nbest:
            found["nbest"] = [each.as_dict() for each in self.nbest]
        return found


@dataclass(frozen=True)
class ScoredPair:
    """How probable a given target is under the model.

    Attributes:
        score: log-probability divided by length to the power of the length penalty, as the search ranks.
        log_prob: natural logarithm of P(target | source), eos counted.
        tokens, token_log_probs: each target token, eos last, and its share.
        unknown: how many of the tokens are unknown words.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    token_log_probs: list[float]
    unknown: int

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Writer(inside.Searching, Generic[S, W]):
    """Trained models that write; several together answer with the mean of their probabilities."""

    task: WritingTask[S]
    scored = ("sources", "targets")

    @abstractmethod
    def finish(self, line: str, source: S, written: dict[str, Any], settings: decoding.DecodingSettings) -> W:
        """The answer to ``line``; ``written`` is what the search found, as fields of :class:`Written`."""

    @abstractmethod
    def nothing(self, line: str) -> W:
        """The answer where there is nothing to read."""

    @property
    def attends(self) -> bool:
        """Whether the models have attention to show."""
        return all(cast("models.ReaderWriter", model).settings.attention != "none" for model in self.models)

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[W]:
        settings = self.task.sections.decoding.updated(**options)
        for chunk in rows.chunks(lines):
            yield from self.answer(chunk, self.task.read(chunk), settings)

    def answer(
        self, lines: Sequence[str], sources: Sequence[S], settings: decoding.DecodingSettings
    ) -> list[W]:
        """What is written for each source; ``lines`` say what it was read from."""
        answers = [self.nothing(line) for line in lines]
        for group in rows.alike(sources):
            # By the line alone: what is drawn for it must not depend on those it happens to stand beside.
            seeds = [zlib.crc32(f"{settings.seed} {lines[row]}".encode()) for row in group]
            found = self._search([sources[row] for row in group], settings, seeds=seeds)
            for row, hypotheses in zip(group, found, strict=True):
                nbest = [self._written(lines[row], sources[row], each, settings) for each in hypotheses]
                answers[row] = replace(nbest[0], nbest=cast(Any, nbest if settings.several else []))
        return answers

    def score(self, sources: Sequence[str], targets: Sequence[str], **options: Any) -> list[ScoredPair]:
        """The log-probability of given targets: which of two does the model prefer?

        Raises:
            TypeError: one of them is a single text.
            UserError: unequal numbers of sources and targets.
        """
        rows.check_lines(sources)
        rows.check_lines(targets)
        if len(sources) != len(targets):
            raise UserError(f"{len(sources)} sources but {len(targets)} targets: they are scored in pairs")
        settings = self.task.sections.decoding.updated(**options)
        return self.weigh(self.task.read(sources), targets, settings)

    def weigh(
        self, sources: Sequence[S], targets: Sequence[str], settings: decoding.DecodingSettings
    ) -> list[ScoredPair]:
        """:meth:`score` of sources that were read."""
        target = self.task.target.encode_many(targets)
        scored: dict[int, ScoredPair] = {}
        # Nothing to read is scored, too: its eos is there.
        for group in rows.alike([range(len(each) + 1) for each in sources], target):
            log_probs, _ = self._forced([sources[row] for row in group], [target[row] for row in group])
            for column, row in enumerate(group):
                ids = [*target[row].tolist(), self.task.target.eos]
                found = log_probs[: len(ids), column].tolist()
                each = decoding.hypothesis(ids[:-1], found, settings.length_penalty)
                tokens = self.task.target.tokens(ids)
                unknown = ids.count(self.task.target.unk)
                scored[row] = ScoredPair(targets[row], each.score, each.log_prob, tokens, found, unknown)
        return [scored[row] for row in range(len(sources))]

    def _search(
        self,
        sources: Sequence[S],
        settings: decoding.DecodingSettings,
        trace: decoding.BeamTrace | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[list[decoding.Hypothesis]]:
        target = self.task.target
        banned = [target.pad, target.bos, *([] if settings.allow_unknown else [target.unk])]
        source, lengths = self.task.pad(sources)
        return decoding.search(
            self._packings[settings.weights],
            (source.to(self.device), lengths.to(self.device)),
            settings,
            source_lengths=[len(each) for each in sources],
            seeds=seeds,
            bos=target.bos,
            eos=target.eos,
            banned=banned,
            trace=trace,
        )

    def _forced(
        self, sources: Sequence[S], targets: Sequence[NDArray[np.integer]], *, attention: bool = False
    ) -> tuple[Float[Tensor, "target batch"], Float[Tensor, "target batch source"] | None]:
        """Log-probabilities of given targets, eos last, and what each of their tokens looked at."""
        batch = self.task.batch(sources, targets).to(self.device)
        with torch.inference_mode():
            forced = self.model.forced(batch.source, batch.source_lengths, batch.target, attention=attention)
        return forced.log_probs.double().cpu(), None if forced.attention is None else forced.attention.cpu()

    def _written(
        self, line: str, source: S, hypothesis: decoding.Hypothesis, settings: decoding.DecodingSettings
    ) -> W:
        ids = np.array(hypothesis.tokens, dtype=np.int32)

        def attend() -> Tensor:
            _, attention = self._forced([source], [ids], attention=True)
            return cast("Tensor", attention)[:, 0]

        written = {
            "text": self.task.target.decode(ids),
            "score": hypothesis.score,
            "log_prob": hypothesis.log_prob,
            "tokens": self.task.target.tokens(ids),
            "_attend": attend if self.attends else None,
        }
        return self.finish(line, source, written, settings)

    # Looking inside.

    @property
    def readers(self) -> dict[str, str]:
        """The part of the model whose cells read the positions in order, and what stands between those."""
        return {}

    def positions(self, line: str, source: S) -> list[str]:
        """What attention's columns stand for."""
        return [str(place) for place in range(len(source))]

    def read(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> inside.Reading:
        sources, target, given = self._sources(texts), self.task.target, inside.answered(texts, answers)
        if given is None:
            found = self._search(sources, self.task.sections.decoding.updated(nbest=1, samples=0))
            ids = [np.array(best[0].tokens, dtype=np.int32) for best in found]
        else:
            ids = target.encode_many(given)
        batch = self.task.batch(sources, ids).to(self.device)
        seen = [self.positions(*each) for each in zip(texts, sources, strict=True)]
        written = [target.tokens([target.bos, *each]) for each in ids]
        return inside.Reading(
            {**dict.fromkeys(self.readers, seen), "decoder": written},
            {**self.readers, "decoder": target.separator},
            "decoder",
            [target.tokens([*each, target.eos]) for each in ids],
            seen if self.attends else None,
            lambda: self.model.forced(batch.source, batch.source_lengths, batch.target, attention=True),
        )

    def trace(self, text: str, reference: str | None = None, **options: Any) -> inside.Traced:
        target = self.task.target
        settings = self.task.sections.decoding.updated(**{"nbest": 1, "samples": 0, **options})
        trace = decoding.BeamTrace()
        self._search(self._sources([text]), settings, trace)
        given = None if reference is None else [*target.encode(reference).tolist(), target.eos]
        return inside.Traced(trace, target.vocabulary, settings.length_penalty, given)

    def answers(self, texts: Sequence[str], **options: Any) -> Sequence[W]:
        return list(self.predict(texts, **options))

    def judge(self, answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, metrics.Score]:
        found: dict[str, metrics.Score] = self.task.sections.metrics.scores(answers, references)
        return found

    def held_out(self, split: str, count: int | None = None) -> list[inside.HeldOut]:
        found = self.task.segments(split)[:count]
        return [inside.HeldOut(each.source, each.references) for each in found]

    def _sources(self, texts: Sequence[str]) -> Sequence[S]:
        """What texts stand for, none of which may be empty."""
        sources = self.task.read(texts)
        inside.check_read(map(len, sources))
        return sources
