"""Translate: a line in, a line out, of any two lengths (many to many).

Languages, spellings and pronunciations alike: whatever comes as pairs of lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import decoding, metrics, models, text
from unrolled.errors import UserError
from unrolled.metrics.settings import TranslationMetrics
from unrolled.tasks import look, pretrained, rows
from unrolled.tasks import task as base
from unrolled.tasks.registry import register

EXAMPLE_BEST = 3
"""Answers shown of each of the recipe's examples."""
SIDES = ("source", "target")


class TranslateSections(base.Sections):
    """What a translator's recipe says."""

    data: text.ParallelData
    text: text.ParallelText
    model: models.EncoderDecoderSettings
    training: text.BatchSettings
    decoding: decoding.DecodingSettings
    metrics: TranslationMetrics


@dataclass(frozen=True)
class Batch:
    """Pairs of sentences as time-major ids; the target stands between bos and eos."""

    source: Int[Tensor, "source batch"]
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
class Translation:
    """One line's translation.

    Attributes:
        text: the target line.
        score: log-probability divided by length to the power of the length penalty.
        log_prob: natural logarithm of P(target | source), eos counted.
        tokens: target tokens, eos not among them.
        source_tokens: the source as the model read it.
        nbest: the best translations, this one first, when more than one was asked for.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    source_tokens: list[str]
    nbest: list[Translation] = field(default_factory=list)
    _attend: Callable[[], Float[Tensor, "target source"]] | None = field(
        default=None, repr=False, compare=False
    )

    @cached_property
    def attention(self) -> Float[Tensor, "target source"]:
        """How much each target token, eos last, looked at each source token; computed when first asked for.

        Raises:
            UserError: the model has no attention.
        """
        if self._attend is None:
            raise UserError('no attention: an empty line, or a model trained with attention = "none"')
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
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    token_log_probs: list[float]

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Translator(base.Predictor):
    """A trained translator; several models together answer with the mean of their probabilities."""

    task: Translate

    @cached_property
    def model(self) -> models.EncoderDecoder | models.Ensemble:
        """What the search sees."""
        each = cast("list[models.EncoderDecoder]", self.models)
        return each[0] if len(each) == 1 else models.Ensemble(each)

    @property
    def device(self) -> torch.device:
        return next(self.models[0].parameters()).device

    def translate(self, lines: Sequence[str], **options: Any) -> list[Translation]:
        """Translate each line; options are those of ``[decoding]``: beam, length_penalty, nbest, ...

        Raises:
            UserError: an unknown option, or a value out of range.
        """
        return list(self.predict(lines, **options))

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Translation]:
        settings = self.task.sections.decoding.updated(**options)
        for chunk in rows.chunks(lines):
            yield from self._answer(chunk, settings)

    def score(self, sources: Sequence[str], targets: Sequence[str], **options: Any) -> list[ScoredPair]:
        """The log-probability of given targets: which of two translations does the model prefer?

        Raises:
            UserError: unequal numbers of sources and targets.
        """
        if len(sources) != len(targets):
            raise UserError(f"{len(sources)} sources but {len(targets)} targets: they are scored in pairs")
        settings = self.task.sections.decoding.updated(**options)
        source, target = self.task.source.encode_many(sources), self.task.target.encode_many(targets)
        scored: dict[int, ScoredPair] = {}
        for group in rows.alike(source, target):
            log_probs, _ = self._forced([source[row] for row in group], [target[row] for row in group])
            for column, row in enumerate(group):
                ids = [*target[row].tolist(), self.task.target.eos]
                found = log_probs[: len(ids), column].tolist()
                each = decoding.hypothesis(ids[:-1], found, settings.length_penalty)
                tokens = self.task.target.tokens(ids)
                scored[row] = ScoredPair(targets[row], each.score, each.log_prob, tokens, found)
        return [scored[row] for row in range(len(sources))]

    def examples(self) -> list[base.Example]:
        found = []
        for source, *targets in self.task.sections.data.examples:
            best = self.translate([source], beam=EXAMPLE_BEST, nbest=EXAMPLE_BEST)[0]
            given = self.score([source] * len(targets), targets)
            found.append(
                base.Example(
                    source,
                    [(each.text, each.score) for each in best.nbest or [best]],
                    [(each.text, each.score) for each in given],
                )
            )
        return found

    def _answer(self, lines: Sequence[str], settings: decoding.DecodingSettings) -> list[Translation]:
        sources = self.task.source.encode_many(lines)
        answers = [Translation("", 0.0, 0.0, [], []) for _ in lines]
        for group in rows.alike(sources):
            found = self._search([sources[row] for row in group], settings)
            for row, hypotheses in zip(group, found, strict=True):
                nbest = [self._translation(lines[row], sources[row], each, settings) for each in hypotheses]
                answers[row] = replace(nbest[0], nbest=nbest if settings.nbest > 1 else [])
        return answers

    def _search(
        self, sources: Sequence[text.Ids], settings: decoding.DecodingSettings
    ) -> list[list[decoding.Hypothesis]]:
        task = self.task
        padded = text.pad(sources, task.source.pad, end=task.source.eos)
        banned = [task.target.pad, task.target.bos, *([] if settings.allow_unknown else [task.target.unk])]
        return decoding.search(
            self.model,
            (torch.from_numpy(padded.ids).to(self.device), torch.from_numpy(padded.lengths).to(self.device)),
            settings,
            source_lengths=[len(source) for source in sources],
            bos=task.target.bos,
            eos=task.target.eos,
            banned=banned,
        )

    def _forced(
        self,
        sources: Sequence[NDArray[np.integer]],
        targets: Sequence[NDArray[np.integer]],
        *,
        attention: bool = False,
    ) -> tuple[Float[Tensor, "target batch"], Float[Tensor, "target batch source"] | None]:
        """Log-probabilities of given targets, eos last, and what each of their tokens looked at."""
        batch = self.task.batch(sources, targets).to(self.device)
        with torch.inference_mode():
            forced = self.model.forced(batch.source, batch.source_lengths, batch.target, attention=attention)
        return forced.log_probs.double().cpu(), None if forced.attention is None else forced.attention.cpu()

    def _translation(
        self,
        line: str,
        source: text.Ids,
        hypothesis: decoding.Hypothesis,
        settings: decoding.DecodingSettings,
    ) -> Translation:
        ids = np.array(hypothesis.tokens, dtype=np.int32)
        attend: Callable[[], Tensor] | None = None
        if self.attends and len(source):

            def attend() -> Tensor:
                _, attention = self._forced([source], [ids], attention=True)
                # eos of the source is a position like any other for the model, but no word of the line.
                return cast("Tensor", attention)[:, 0, : len(source)]

        tokens, answer = self.task.target.tokens(ids), self.task.target.decode(ids)
        pieces = self.task.source.pieces(line)
        if settings.replace_unknown and self.task.target.unk in hypothesis.tokens and attend is not None:
            looked_at = attend().argmax(dim=1).tolist()
            for place, token in enumerate(hypothesis.tokens):
                if token == self.task.target.unk:
                    tokens[place] = pieces[looked_at[place]]
            answer = " ".join(tokens)
        return Translation(answer, hypothesis.score, hypothesis.log_prob, tokens, pieces, _attend=attend)

    @property
    def attends(self) -> bool:
        """Whether the models have attention to show."""
        return all(cast("models.EncoderDecoder", model).settings.attention != "none" for model in self.models)


@register
class Translate(base.Task):
    """From pairs of lines to a translator."""

    name = "translate"
    shape = "many to many, of unequal length"
    verb = "translate"
    Sections = TranslateSections
    selection = "bleu"
    predictor_type = Translator

    sections: TranslateSections

    def __init__(
        self, sections: TranslateSections, folder: Path, source: text.Tokenizer, target: text.Tokenizer
    ) -> None:
        super().__init__(sections, folder)
        self.source, self.target = source, target

    @classmethod
    def prepare(
        cls, sections: TranslateSections, folder: Path, progress: base.Progress = base.silent
    ) -> Translate:
        cache = folder / "cache"
        done = cache / "prepared.json"
        if done.exists():
            return cls.open(sections, folder)
        pretrained.check(sections, "embeddings", "target_embeddings")
        corpus = text.ParallelCorpus(sections.data)
        cache.mkdir(parents=True, exist_ok=True)
        for part in corpus.parts():
            if part != "train":
                text.write_segments(cache / f"{part}.jsonl", corpus.segments(part))
        paths = _tokenizer_files(folder)
        if not all(path.exists() for path in paths):
            progress("learning the vocabularies", 0.0)
            tokenizers = text.train_tokenizers(lambda: corpus.read("train"), sections.text)
            for tokenizer, path in zip(tokenizers, paths, strict=True):
                tokenizer.save(path)
        task = cls.open(sections, folder)
        stores = [cache / f"train.{side}" for side in SIDES]
        found = text.encode_records(
            corpus.read("train"),
            (task.source, task.target),
            stores,
            max_length=sections.data.max_length,
            progress=lambda count: progress(f"turning pairs into ids: {count:,}", 0.0),
        )
        progress(f"train: {found}", 1.0)
        # Last, because its presence says that all of the above is whole.
        done.write_text(json.dumps(vars(found)), encoding="utf-8")
        return task

    @classmethod
    def open(cls, sections: TranslateSections, folder: Path) -> Translate:
        return cls(sections, folder, *map(text.Tokenizer.load, _tokenizer_files(folder)))

    def build(self) -> nn.Module:
        return models.EncoderDecoder(self.sections.model, self.source.size, self.target.size)

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:
        made = cast("models.EncoderDecoder", model)
        pretrained.fill(self.sections, "embeddings", made.encoder.embedding, self.source, say)
        pretrained.fill(self.sections, "target_embeddings", made.decoder.embedding, self.target, say)

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
        return rows.Plan(planned, lambda each: self.batch(source.rows(each), target.rows(each)))

    def batch(self, sources: Sequence[NDArray[np.integer]], targets: Sequence[NDArray[np.integer]]) -> Batch:
        """Rows of ids as a batch: the source ends in eos, the target stands between bos and eos."""
        source = text.pad(sources, self.source.pad, end=self.source.eos)
        target = text.pad(targets, self.target.pad, begin=self.target.bos, end=self.target.eos)
        return Batch(*map(torch.from_numpy, (*source, *target)))

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
        predictor = cast("Translator", self.predictor(models))
        if quick:
            options = {"beam": 1, "nbest": 1, **options}
        sources = [segment.source for segment in segments]
        hypotheses = [each.text for each in predictor.translate(sources, **options)]
        references = [segment.references for segment in segments]
        scores = self.sections.metrics.scores(hypotheses, references)
        given = predictor.score(sources, [each[0] for each in references])
        scores["perplexity"] = metrics.perplexity(
            [-each.log_prob for each in given], [len(each.tokens) for each in given]
        )
        if by_length:
            lengths = [len(self.source.encode(source)) for source in sources]
            for score in scores.values():
                score.details["by_length"] = [each.as_dict() for each in metrics.by_length(score, lengths)]
        return scores

    def segments(self, split: str) -> list[text.Segment]:
        """The sources and references of a split.

        Raises:
            UserError: the recipe's data has no such split.
        """
        return text.read_segments(self.folder / "cache" / f"{split}.jsonl", split)

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look.translate(paths)


def _tokenizer_files(folder: Path) -> list[Path]:
    return [folder / f"tokenizer.{side}.json" for side in SIDES]
