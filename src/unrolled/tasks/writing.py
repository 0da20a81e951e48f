"""What the tasks that write have in common: whatever is read, a text is learnt, searched for and scored.

A subclass says what it reads (``S``: a line's ids, a picture's regions; its ``len`` is the positions it has)
and how that is read, from a user's line and from the prepared data.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import decoding, metrics, models, text
from unrolled.errors import UserError
from unrolled.tasks import inside, pretrained, rows
from unrolled.tasks import task as base

S = TypeVar("S", bound=Sized)
W = TypeVar("W", bound="Written")


@dataclass(frozen=True)
class Batch:
    """What is read and what is to be written, time first; the target stands between bos and eos."""

    source: Shaped[Tensor, "source batch *features"]
    source_lengths: Int[Tensor, " batch"]
    target: Int[Tensor, "target batch"]
    target_lengths: Int[Tensor, " batch"]

    @property
    def count(self) -> int:
        """Target tokens to predict: every one but bos."""
        return int(self.target_lengths.sum()) - len(self.target_lengths)

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(value.to(device) for value in vars(self).values()))


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
            found = self._search([sources[row] for row in group], settings)
            for row, hypotheses in zip(group, found, strict=True):
                nbest = [self._written(lines[row], sources[row], each, settings) for each in hypotheses]
                answers[row] = replace(nbest[0], nbest=cast(Any, nbest if settings.several else []))
        return answers

    def score(self, sources: Sequence[str], targets: Sequence[str], **options: Any) -> list[ScoredPair]:
        """The log-probability of given targets: which of two does the model prefer?

        Raises:
            UserError: unequal numbers of sources and targets.
        """
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
        for group in rows.alike(sources, target):
            log_probs, _ = self._forced([sources[row] for row in group], [target[row] for row in group])
            for column, row in enumerate(group):
                ids = [*target[row].tolist(), self.task.target.eos]
                found = log_probs[: len(ids), column].tolist()
                each = decoding.hypothesis(ids[:-1], found, settings.length_penalty)
                tokens = self.task.target.tokens(ids)
                unknown = ids.count(self.task.target.unk)
                scored[row] = ScoredPair(targets[row], each.score, each.log_prob, tokens, found, unknown)
        return [scored[row] for row in range(len(sources))]

    @cached_property
    def _packings(self) -> models.Packings:
        return models.Packings(self.model)

    def _search(
        self,
        sources: Sequence[S],
        settings: decoding.DecodingSettings,
        trace: decoding.BeamTrace | None = None,
    ) -> list[list[decoding.Hypothesis]]:
        target = self.task.target
        banned = [target.pad, target.bos, *([] if settings.allow_unknown else [target.unk])]
        source, lengths = self.task.pad(sources)
        return decoding.search(
            self._packings[settings.weights],
            (source.to(self.device), lengths.to(self.device)),
            settings,
            source_lengths=[len(each) for each in sources],
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
        target, settings = self.task.target, self.task.sections.decoding.updated(**options)
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


class WritingTask(base.Task, Generic[S]):
    """From examples ``(what is read, what is written)`` to models that write."""

    sides: ClassVar[tuple[str, ...]] = ("target",)
    """Which tokenizers it has."""
    tables: ClassVar[tuple[str, ...]] = ("embeddings",)
    """The keys of ``[model]`` that name files of word vectors."""
    target: text.Tokenizer

    def __init__(self, sections: Any, folder: Path) -> None:
        super().__init__(sections, folder)
        self.score_names = [*sections.metrics.report, "perplexity"]

    # What a subclass says.

    @classmethod
    @abstractmethod
    def corpus(cls, sections: Any, folder: Path, progress: base.Progress) -> text.PairedCorpus:
        """The examples; whatever takes long and is kept is done first."""

    @classmethod
    @abstractmethod
    def learn(cls, corpus: text.PairedCorpus, sections: Any) -> Sequence[text.Tokenizer]:
        """The tokenizers of :attr:`sides`, from the training examples."""

    @property
    @abstractmethod
    def encoders(self) -> tuple[text.FieldEncoder, text.FieldEncoder]:
        """What turns the two fields of an example into ids."""

    @abstractmethod
    def read(self, lines: Sequence[str]) -> Sequence[S]:
        """What a user's lines stand for."""

    @abstractmethod
    def kept(self, sources: Sequence[str]) -> Sequence[S]:
        """:meth:`read` of sources of the prepared data."""

    @abstractmethod
    def gather(self, ids: Sequence[NDArray[np.integer]]) -> Sequence[S]:
        """The sources whose ids the prepared data holds."""

    @abstractmethod
    def pad(
        self, sources: Sequence[S]
    ) -> tuple[Shaped[Tensor, "source batch *features"], Int[Tensor, " batch"]]:
        """Sources as the model takes them, and their lengths."""

    # Data.

    @classmethod
    def prepare(cls, sections: Any, folder: Path, progress: base.Progress = base.silent) -> Self:
        cache = folder / "cache"
        done = cache / "prepared.json"
        if done.exists():
            return cls.open(sections, folder)
        pretrained.check(sections, *cls.tables)
        cache.mkdir(parents=True, exist_ok=True)
        corpus = cls.corpus(sections, folder, progress)
        for part in corpus.parts():
            if part != "train":
                text.write_part(cache / f"{part}.jsonl", corpus.segments(part))
        paths = cls.tokenizer_files(folder)
        if not all(path.exists() for path in paths):
            progress("learning the vocabularies", 0.0)
            for tokenizer, path in zip(cls.learn(corpus, sections), paths, strict=True):
                tokenizer.save(path)
        task = cls.open(sections, folder)
        found = text.encode_records(
            corpus.read("train"),
            task.encoders,
            [cache / "train.source", cache / "train.target"],
            max_length=sections.data.max_length,
            noun=corpus.noun,
            progress=lambda count, _: progress(f"turning {corpus.noun} into ids: {count:,}", 0.0),
        )
        progress(f"train: {found}", 1.0)
        # Last, because its presence says that all of the above is whole.
        done.write_text(json.dumps(vars(found)), encoding="utf-8")
        return task

    @classmethod
    def tokenizer_files(cls, folder: Path) -> list[Path]:
        return [folder / f"tokenizer.{side}.json" for side in cls.sides]

    # Training.

    @cached_property
    def _train(self) -> tuple[text.IdStore, text.IdStore]:
        cache = self.folder / "cache"
        return text.IdStore.open(cache / "train.source"), text.IdStore.open(cache / "train.target")

    def plan(self, seed: int, epoch: int) -> Sequence[Batch]:
        source, target = self._train
        lengths = np.stack([source.lengths + 1, target.lengths + 1], axis=1)
        tokens = self.sections.training.batch_tokens
        planned = text.plan(lengths, tokens=tokens, seed=seed, epoch=epoch)
        return rows.Plan(planned, lambda each: self.batch(self.gather(source.rows(each)), target.rows(each)))

    def batch(self, sources: Sequence[S], targets: Sequence[NDArray[np.integer]]) -> Batch:
        """Sources and rows of ids as a batch: a target stands between bos and eos."""
        target = text.pad(targets, self.target.pad, begin=self.target.bos, end=self.target.eos)
        return Batch(*self.pad(sources), *map(torch.from_numpy, target))

    def loss(self, model: nn.Module, batch: Batch, carried: base.Carried = None) -> base.Loss:
        total, count = model(batch.source, batch.source_lengths, batch.target)
        return base.Loss(total, count)

    # Use.

    def evaluate(
        self,
        models: Sequence[nn.Module],
        split: str,
        *,
        quick: bool = False,
        by_length: bool = False,
        **options: Any,
    ) -> dict[str, metrics.Score]:
        segments = self.segments(split)
        predictor = cast("Writer[S, Written]", self.predictor(models))
        if quick:
            options = {"beam": 1, "nbest": 1, "samples": 0, **options}
        settings = self.sections.decoding.updated(**options)
        lines = [segment.source for segment in segments]
        sources = self.kept(lines)
        hypotheses = [each.text for each in predictor.answer(lines, sources, settings)]
        references = [segment.references for segment in segments]
        scores: dict[str, metrics.Score] = self.sections.metrics.scores(hypotheses, references)
        given = predictor.weigh(sources, [each[0] for each in references], settings)
        scores["perplexity"] = metrics.perplexity(
            [-each.log_prob for each in given], [len(each.tokens) for each in given]
        )
        if by_length:
            lengths = [len(source) for source in sources]
            base.add_by_length(scores, lengths)
        return scores

    def segments(self, split: str) -> list[text.Segment]:
        """The sources and references of a split.

        Raises:
            UserError: the recipe's data has no such split.
        """
        return text.read_part(self.folder / "cache" / f"{split}.jsonl", split, text.Segment)
