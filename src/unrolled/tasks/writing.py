"""What the tasks that write have in common: whatever is read, a text is learnt, searched for and scored.

A subclass says what it reads (``S``: a line's ids, a picture's regions; its ``len`` is the positions it has)
and how that is read, from a user's line and from the prepared data.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import metrics, text
from unrolled.tasks import rows
from unrolled.tasks import task as base
from unrolled.tasks.writer import Writer, Written

S = TypeVar("S", bound=Sized)


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


class WritingTask(base.Task, Generic[S]):
    """From examples ``(what is read, what is written)`` to models that write."""

    sides: ClassVar[tuple[str, ...]] = ("target",)
    """Which tokenizers it has."""
    target: text.Tokenizer

    @classmethod
    def scores_of(cls, sections: Any) -> Sequence[str]:
        return [*sections.metrics.report, "perplexity"]

    # What a subclass says.

    @classmethod
    @abstractmethod
    def corpus(cls, sections: Any, folder: Path, progress: base.Progress) -> text.PairedCorpus:
        """The examples; whatever takes long and is kept is done first."""

    @classmethod
    @abstractmethod
    def train_tokenizers(cls, corpus: text.PairedCorpus, sections: Any) -> Sequence[text.Tokenizer]:
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
    def prepare_anew(
        cls, sections: Any, folder: Path, progress: base.Progress
    ) -> tuple[Self, dict[str, Any]]:
        cache = folder / "cache"
        corpus = cls.corpus(sections, folder, progress)
        for part in corpus.parts():
            if part != "train":
                text.write_part(cache / f"{part}.jsonl", corpus.segments(part))
        paths = cls.tokenizer_files(folder)
        if not all(path.exists() for path in paths):
            progress("learning the vocabularies", 0.0)
            for tokenizer, path in zip(cls.train_tokenizers(corpus, sections), paths, strict=True):
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
        return task, vars(found)

    @property
    def target_settings(self) -> text.TokenizerSettings:
        """How what is written becomes tokens."""
        settings: text.TokenizerSettings = self.sections.text
        return settings

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
            [-each.log_prob for each in given],
            [len(each.tokens) for each in given],
            over=self.target.digest,
        )
        if by_length:
            lengths = [len(source) for source in sources]
            base.add_by_length(scores, lengths)
        return scores

    def segments(self, split: str) -> list[text.Segment]:
        """The sources and references of a split; these in the normal form that the model writes.

        Raises:
            UserError: the recipe's data has no such split.
        """
        normal = self.target_settings.normal
        return [
            each._replace(references=[*map(normal, each.references)])
            for each in text.read_part(self.folder / "cache", split, text.Segment, self.sections.data)
        ]
