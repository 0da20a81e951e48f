"""Classify: a line in, its label out, or several (many to one)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import metrics, models, text
from unrolled.errors import UserError, at, counted
from unrolled.tasks import look_labels, pretrained, rows
from unrolled.tasks import task as base
from unrolled.tasks.label_predictor import LabelPredictor
from unrolled.tasks.registry import register
from unrolled.text import LabelBatchSettings


class ClassifySections(base.Sections):
    """What a classifier's recipe says."""

    data: text.LabelledData
    text: text.SpelledText
    model: models.ClassifierSettings
    training: LabelBatchSettings


@dataclass(frozen=True)
class Batch:
    """Texts, each ending in eos, and which labels they have."""

    sentences: models.Sentences
    labels: Float[Tensor, "batch labels"]

    @property
    def count(self) -> int:
        """Texts."""
        return len(self.labels)

    def to(self, device: torch.device | str) -> Batch:
        return Batch(self.sentences.on(device), self.labels.to(device))


@register
class Classify(base.Task):
    """From texts with labels to a classifier."""

    name = "classify"
    shape = "many to one"
    verb = "classify"
    Sections = ClassifySections
    predictor_type = LabelPredictor

    sections: ClassifySections

    def __init__(
        self,
        sections: ClassifySections,
        folder: Path,
        tokenizer: text.Tokenizer,
        characters: text.Tokenizer | None,
        labels: text.Vocabulary,
    ) -> None:
        super().__init__(sections, folder)
        self.tokenizer, self.characters, self.labels = tokenizer, characters, labels

    @classmethod
    def scores_of(cls, sections: ClassifySections) -> Sequence[str]:
        calibration = () if sections.data.several else ("calibration_error",)
        return ("accuracy", "macro_f1", *calibration)

    def unlike(self, other: Classify) -> str | None:
        return None if self.sections.data.several == other.sections.data.several else "data.several"

    @classmethod
    def prepare_anew(
        cls, sections: ClassifySections, folder: Path, progress: base.Progress
    ) -> tuple[Classify, dict[str, Any]]:
        cache = folder / "cache"
        corpus = text.LabelledCorpus(sections.data)
        if sections.training.calibrate and "dev" not in corpus.parts():
            raise UserError("training.calibrate needs a dev part: give data.dev or data.dev_size")
        spelled_out = sections.model.characters != "none"
        if spelled_out and sections.text.kind != "word":
            raise UserError(
                f'model.characters = "{sections.model.characters}" spells words: set text.kind = "word", or'
                ' model.characters = "none"'
            )
        for part in corpus.parts():
            if part != "train":
                text.write_part(cache / f"{part}.jsonl", corpus.read(part))
        words, characters, names = _files(folder)
        if not (words.exists() and names.exists() and (characters.exists() or not spelled_out)):
            progress("learning the vocabulary", 0.0)
            lines = (example.text for example in corpus.read("train"))
            tokenizer = text.Tokenizer.train(lines, sections.text)
            tokenizer.save(words)
            if spelled_out:
                letters = (word for each in corpus.read("train") for word in tokenizer.words(each.text))
                made = text.Tokenizer.train(letters, sections.text.characters.tokenizer("character"))
                made.save(characters)
            labels = {label for example in corpus.read("train") for label in example.labels}
            _vocabulary(labels, sections.data).save(names)
        task = cls.open(sections, folder)
        task._weights(np.ones(len(task.labels), dtype=np.int64))  # a mistake in them is told before the rest
        counts = task._encode(corpus, lambda count: progress(f"turning texts into ids: {count:,}", 0.0))
        for part in corpus.parts():
            for told in task._unseen(part):
                progress(told, 1.0)
        if left_out := sum(corpus.left_out.values()):
            progress(f"{counted(left_out, 'text')} left out: none of their labels is in data.labels", 1.0)
        found = ", ".join(f"{count:,} {name}" for name, count in zip(task.labels, counts, strict=True))
        progress(f"train: {found}", 1.0)
        return task, {"labels": dict(zip(task.labels, counts.tolist(), strict=True))}

    def _encode(self, corpus: text.LabelledCorpus, progress: Callable[[int], None]) -> NDArray[np.int64]:
        """Write the training texts as ids; how many of them have each label."""
        data, cache, done = self.sections.data, self.folder / "cache", 0
        kept = slice(None, data.max_length) if data.keep == "head" else slice(-data.max_length, None)
        numbers = text.Numbers()
        with (
            text.StoreWriter(
                cache / "train.text", self.tokenizer.size if self.characters is None else None
            ) as texts,
            text.StoreWriter(cache / "train.labels", len(self.labels)) as labels,
        ):
            for chunk in rows.chunks(corpus.read("train")):
                numbered = self._number([example.text for example in chunk], numbers)
                texts.add([each[kept] for each in numbered])
                labels.add([self.labels.encode(each.labels, at(each.path, each.line)) for each in chunk])
                done += len(chunk)
                progress(done)
        if self.characters is not None:
            self._forms(numbers).write(cache)
        return self._counts

    def _unseen(self, part: str) -> Iterator[str]:
        """What to say of labels that training has none of: they can only be answered wrong."""
        if part == "train":
            return
        told: set[str] = set()
        for example in self.examples(part):
            for label in {*example.labels} - {*self.labels} - told:
                told.add(label)
                place = at(example.path, example.line)
                yield f"{place}: label {label!r} of {part} is not in the training data: it counts as wrong"

    @classmethod
    def open(cls, sections: ClassifySections, folder: Path) -> Classify:
        words, characters, names = _files(folder)
        spelled_out = sections.model.characters != "none"
        return cls(
            sections,
            folder,
            text.Tokenizer.load(words),
            text.Tokenizer.load(characters) if spelled_out else None,
            text.Vocabulary.load(names),
        )

    def build(self) -> nn.Module:
        return models.Classifier(
            self.sections.model,
            self.tokenizer.size,
            0 if self.characters is None else self.characters.size,
            len(self.labels),
            several=self.sections.data.several,
        )

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:
        table = cast("models.Classifier", model).reader.embedding
        texts, _, forms = self._train
        rows = (forms.words[text] for text in texts)
        pretrained.fill(self, "embeddings", table, self.tokenizer, rows, say)

    # Training.

    @cached_property
    def _train(self) -> tuple[text.IdStore, text.IdStore, text.Forms]:
        cache = self.folder / "cache"
        texts, labels = (text.IdStore.open(cache / f"train.{part}") for part in ("text", "labels"))
        whole = self.characters is None
        return texts, labels, text.Forms.whole(self.tokenizer) if whole else text.Forms.open(cache)

    @property
    def _counts(self) -> NDArray[np.int64]:
        return np.bincount(self._train[1].ids, minlength=len(self.labels))

    def _weights(self, counts: NDArray[np.int64]) -> Tensor | None:
        weights = text.class_weights(self.sections.training.class_weights, counts, self.labels.names)
        return None if weights is None else torch.from_numpy(weights)

    @cached_property
    def _class_weights(self) -> Tensor | None:
        return self._weights(self._counts)

    def plan(self, seed: int, epoch: int) -> Sequence[Batch]:
        texts, labels, forms = self._train
        tokens = self.sections.training.batch_tokens
        planned = text.plan(texts.lengths + 1, tokens=tokens, seed=seed, epoch=epoch)
        return rows.Plan(planned, lambda each: self.batch(texts.rows(each), forms, labels.rows(each)))

    def pieces(self, line: str) -> list[str]:
        """The tokens of a text; words that are to be spelled as they stand there."""
        return self.tokenizer.pieces(line) if self.characters is None else self.tokenizer.words(line)

    def look_up(self, lines: Sequence[str]) -> tuple[list[text.Ids], text.Forms]:
        """Texts as numbers of their distinct tokens, and these."""
        numbers = text.Numbers()
        return self._number(lines, numbers), self._forms(numbers)

    def _number(self, lines: Sequence[str], numbers: text.Numbers) -> list[text.Ids]:
        """The number of each token: of a word to be spelled the next free one, else its id."""
        if self.characters is None:
            return self.tokenizer.encode_many(lines)
        return [numbers.of(self.pieces(line)) for line in lines]

    def _forms(self, numbers: text.Numbers) -> text.Forms:
        if self.characters is None:
            return text.Forms.whole(self.tokenizer)
        return text.Forms.spelled(numbers, self.tokenizer, self.characters)

    def sentences(self, texts: Sequence[NDArray[np.integer]], forms: text.Forms) -> models.Sentences:
        """Rows of tokens' numbers as a reader takes them, each text ending in eos."""
        return rows.sentences([np.append(each, forms.end) for each in texts], forms, self.tokenizer.pad)

    def batch(
        self,
        texts: Sequence[NDArray[np.integer]],
        forms: text.Forms,
        labels: Sequence[NDArray[np.integer]],
    ) -> Batch:
        """Rows of tokens' numbers as a batch."""
        return Batch(self.sentences(texts, forms), self._indicators(labels))

    def _indicators(self, labels: Sequence[NDArray[np.integer]]) -> Float[Tensor, "texts labels"]:
        there = torch.zeros(len(labels), len(self.labels))
        for row, each in zip(there, labels, strict=True):
            row[each.tolist()] = 1
        return there

    def loss(self, model: nn.Module, batch: Batch, carried: base.Carried = None) -> base.Loss:
        made = cast("models.Classifier", model)
        labels = batch.labels.to(made.readout.weight)
        weights = None if self._class_weights is None else self._class_weights.to(labels)
        total = made.training_loss(batch.sentences, labels, weights)
        return base.Loss(total, batch.count, tokens=int(batch.sentences.lengths.sum()))

    def finish(self, model: nn.Module) -> bool:
        made = cast("models.Classifier", model)
        if not self.sections.training.calibrate:
            asked = bool(made.temperature == 1)  # else it is of the run that training started from
            made.temperature.fill_(1)
            return not asked
        known = [each for each in self.examples("dev") if {*each.labels} <= {*self.labels}]
        (logits,) = LabelPredictor(self, [model]).logits([each.text for each in known])
        labels = self._indicators([self.labels.encode(each.labels) for each in known])
        made.calibrate(logits, labels)
        return True

    # Use.

    @property
    def unconfused(self) -> str | None:
        return "a text may have several labels (data.several)" if self.sections.data.several else None

    def evaluate(
        self,
        models: Sequence[nn.Module],
        split: str,
        *,
        quick: bool = False,
        by_length: bool = False,
        **options: Any,
    ) -> dict[str, metrics.Score]:
        base.no_options(self.name, options)
        examples = self.examples(split)
        found = LabelPredictor(self, models).classify([each.text for each in examples])
        gold, predicted = [{*each.labels} for each in examples], [{*each.labels} for each in found]
        scores = {
            "accuracy": metrics.accuracy(predicted, gold),
            "macro_f1": metrics.macro_f1([*map(tuple, predicted)], [*map(tuple, gold)]),
        }
        if not self.sections.data.several:
            one = [each.labels[0] for each in found], [each.labels[0] for each in examples]
            scores["accuracy"].details["confusion"] = metrics.confusion_table(*one)
            confidence = [max(each.probabilities.values()) for each in found]
            right = [ours == theirs for ours, theirs in zip(*one, strict=True)]
            scores["calibration_error"] = metrics.calibration_error(confidence, right)
        if by_length:
            base.add_by_length(scores, [len(self.tokenizer.encode(each.text)) for each in examples])
        return scores

    def examples(self, split: str) -> list[text.LabelledText]:
        """The texts of a split and their labels.

        Raises:
            UserError: the recipe's data has no such split.
        """
        return text.read_part(
            self.folder / "cache",
            split,
            lambda line, labels, path, number: text.LabelledText(line, tuple(labels), path, number),
            self.sections.data,
        )

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look_labels.classify(paths)


def _files(folder: Path) -> tuple[Path, Path, Path]:
    return (
        folder / "tokenizer.text.json",
        folder / "tokenizer.characters.json",
        folder / "tokenizer.labels.json",
    )


def _vocabulary(found: set[str], data: text.LabelledData) -> text.Vocabulary:
    for label in data.labels or ():
        if label not in found:
            raise UserError(f"data.labels: no training text has the label {label!r}")
    labels = text.Vocabulary.of(found) if data.labels is None else text.Vocabulary(data.labels)
    if len(labels) < 2 and not data.several:
        name = labels.names[0]
        raise UserError(f"all training texts have the label {name!r}: there is nothing to tell apart")
    return labels
