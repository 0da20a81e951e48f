"""Tag: a sentence in, a tag for each of its words out (many to many, of equal length)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled import metrics, models, text
from unrolled.errors import UserError, at
from unrolled.metrics import schemes
from unrolled.nn.crf import Allowed
from unrolled.tasks import inside, look_labels, pretrained, rows
from unrolled.tasks import task as base
from unrolled.tasks.registry import register
from unrolled.text import BatchSettings

INSIDE: schemes.Scheme = "IOBES"
"""The scheme that models work in: it says most of where a span ends."""
MOST_CONFUSED = 60
"""Tags of which a confusion matrix is kept at most."""


class TagSections(base.Sections):
    """What a tagger's recipe says."""

    data: text.TaggedData
    text: text.TaggedText
    model: models.TaggerSettings
    training: BatchSettings


@dataclass(frozen=True)
class Batch:
    """Sentences and the tags of their words."""

    sentences: models.Sentences
    tags: Int[Tensor, "time batch"]

    @property
    def count(self) -> int:
        """Words."""
        return int(self.sentences.lengths.sum())

    def to(self, device: torch.device | str) -> Batch:
        return Batch(self.sentences.on(device), self.tags.to(device))


@dataclass(frozen=True)
class Tagged:
    """One sentence's tags.

    Attributes:
        text: the tags, separated by spaces.
        words, tags: one for one.
        spans: what the tags spell, where they have a scheme: type, first word and the one after the last.
    """

    text: str
    words: list[str]
    tags: list[str]
    spans: list[schemes.Span] | None = None

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"words": self.words, "tags": self.tags}
        if self.spans is not None:
            found["spans"] = [
                {**span._asdict(), "text": " ".join(self.words[span.begin : span.end])} for span in self.spans
            ]
        return found


class TagPredictor(inside.Readable):
    """A trained tagger; of several models together the mean of their scores decides."""

    task: Tag

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Tagged]:
        base.no_options(self.task.name, options)
        for chunk in rows.chunks(lines):
            yield from self.tag([line.split() for line in chunk])

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
        """The tags of each sentence's words, in the scheme of the training data."""
        tags = self.task.tags
        numbered, forms = self.task.look_up(sentences)
        answers = [Tagged("", [], []) for _ in sentences]
        for group in rows.alike(numbered):
            batch = rows.sentences([numbered[row] for row in group], forms, self.task.words.pad)
            found = models.tag(cast("list[models.Tagger]", self.models), batch.on(self.device)).cpu()
            for column, row in enumerate(group):
                names = tags.decode(found[: len(numbered[row]), column])
                answers[row] = self._tagged(list(sentences[row]), names)
        return answers

    def tag_columns(self, lines: Iterable[str], path: str, *, conllu: bool) -> Iterator[str]:
        """Lines of columns with the tags written in: one more column, of CoNLL-U the tag's own.

        Raises:
            UserError: a line lacks the column of the word: file and line.
        """
        columns = text.columns(self.task.sections.data, conllu=conllu)
        for blocks in rows.chunks(text.blocks(lines)):
            sentences = [columns.words(block, path) for block in blocks]
            for block, found in zip(blocks, self.tag(sentences), strict=True):
                yield from columns.tagged(block, found.tags)
                yield ""

    # Looking inside.

    def read(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> inside.Reading:
        task, model, sentences = self.task, cast("models.Tagger", self.models[0]), [t.split() for t in texts]
        inside.check_read(map(len, sentences))
        given = inside.answered(texts, answers)
        tags = [each.tags for each in self.tag(sentences)] if given is None else [t.split() for t in given]
        for number, (words, own) in enumerate(zip(sentences, tags, strict=True), 1):
            if len(words) != len(own):
                raise UserError(f"text {number} has {len(words)} words but {len(own)} tags: one each")
        inputs = rows.sentences(*task.look_up(sentences), task.words.pad).on(self.device)
        ids = [task.tags.encode(task.inside(own)) for own in tags]
        expected = torch.from_numpy(text.pad(ids, 0).ids).to(self.device)
        return inside.Reading(
            {"reader": sentences},
            {"reader": " "},
            "reader",
            tags,
            None,
            lambda: models.Forced(model.step_log_probs(model(inputs), expected, inputs.lengths), None),
        )

    def held_out(self, split: str, count: int | None = None) -> list[inside.HeldOut]:
        found = self.task.examples(split)[:count]
        return [inside.HeldOut(" ".join(each.words), [" ".join(each.tags)]) for each in found]

    def _tagged(self, words: list[str], names: list[str]) -> Tagged:
        scheme = self.task.scheme
        if scheme is None:
            return Tagged(" ".join(names), words, names)
        names = schemes.convert(names, scheme)
        return Tagged(" ".join(names), words, names, schemes.spans(names))


@register
class Tag(base.Task):
    """From tagged sentences to a tagger."""

    name = "tag"
    shape = "many to many, of equal length"
    verb = "tag"
    Sections = TagSections
    predictor_type = TagPredictor

    sections: TagSections

    def __init__(
        self,
        sections: TagSections,
        folder: Path,
        words: text.Tokenizer,
        characters: text.Tokenizer,
        tags: text.Vocabulary,
    ) -> None:
        super().__init__(sections, folder)
        self.words, self.characters, self.tags = words, characters, tags
        self.scheme = _scheme(sections)

    @classmethod
    def scores_of(cls, sections: TagSections) -> Sequence[str]:
        return (*(() if _scheme(sections) is None else ("span_f1",)), "token_accuracy")

    def unlike(self, other: Tag) -> str | None:
        return None if self.scheme == other.scheme else "data.scheme"

    @classmethod
    def prepare_anew(
        cls, sections: TagSections, folder: Path, progress: base.Progress
    ) -> tuple[Tag, dict[str, Any]]:
        cache = folder / "cache"
        corpus = text.TaggedCorpus(sections.data)
        scheme = _scheme(sections)
        forms = text.Numbers()
        tags: set[str] = set()
        for part in corpus.parts():
            # Once through, so that a broken sequence of tags in dev or test is told before any training.
            for sentence in corpus.read(part):
                _check(sentence, scheme)
                if part == "train":
                    tags.update(sentence.tags)
                    forms.of(sentence.words)
        for part in corpus.parts():
            if part != "train":
                text.write_part(cache / f"{part}.jsonl", corpus.read(part))
        words, characters, names = _files(folder)
        if not all(path.exists() for path in _files(folder)):
            progress("learning the vocabularies", 0.0)
            lines = (" ".join("_".join(word.split()) for word in each.words) for each in corpus.read("train"))
            text.Tokenizer.train(lines, sections.text.words.tokenizer("symbol")).save(words)
            letters = (word for each in corpus.read("train") for word in each.words)
            text.Tokenizer.train(letters, sections.text.characters.tokenizer("character")).save(characters)
            _vocabulary(tags, scheme).save(names)
        task = cls.open(sections, folder)
        kept, left_out = task._encode(corpus, forms)
        for part in corpus.parts():
            for told in task._unseen(part):
                progress(told, 1.0)
        more = f"; {left_out:,} left out (more than data.max_length words)" if left_out else ""
        counted = f"{kept:,} sentences, {len(forms):,} distinct words, {len(task.tags)} tags"
        progress(f"train: {counted}{more}", 1.0)
        return task, {"kept": kept, "left_out": left_out}

    def _encode(self, corpus: text.TaggedCorpus, forms: text.Numbers) -> tuple[int, int]:
        """Write the training sentences as numbers of words and ids of tags; how many are kept, left out."""
        cache, kept, left_out = self.folder / "cache", 0, 0
        text.Forms.spelled(forms, self.words, self.characters).write(cache)
        with (
            text.StoreWriter(cache / "train.forms", len(forms)) as sentences,
            text.StoreWriter(cache / "train.tags", len(self.tags)) as tags,
        ):
            for each in corpus.read("train"):
                if len(each.words) > self.sections.data.max_length:
                    left_out += 1
                    continue
                kept += 1
                sentences.add([forms.of(each.words)])
                tags.add([self.tags.encode(self.inside(each.tags))])
        if not kept:
            raise UserError("no sentence is left to train on: raise data.max_length")
        return kept, left_out

    def inside(self, tags: Sequence[str]) -> Sequence[str]:
        """Tags of the data as the model knows them."""
        return tags if self.scheme is None else schemes.convert(tags, INSIDE)

    def _unseen(self, part: str) -> Iterator[str]:
        """What to say of tags that training has none of: they can only be answered wrong."""
        told: set[str] = set()
        for example in self.examples(part) if part != "train" else ():
            for tag in {*self.inside(example.tags)} - {*self.tags} - told:
                told.add(tag)
                place = at(example.path, example.line)
                yield f"{place}: tag {tag!r} of {part} is not in the training data: it counts as wrong"

    @classmethod
    def open(cls, sections: TagSections, folder: Path) -> Tag:
        words, characters, tags = _files(folder)
        load = text.Tokenizer.load
        return cls(sections, folder, load(words), load(characters), text.Vocabulary.load(tags))

    def build(self) -> nn.Module:
        return models.Tagger(
            self.sections.model, self.words.size, self.characters.size, len(self.tags), self._allowed()
        )

    def _allowed(self) -> Allowed | None:
        if self.scheme is None:
            return None
        may = schemes.allowed
        return Allowed(
            torch.tensor([[may(one, other, INSIDE) for other in self.tags] for one in self.tags]),
            torch.tensor([may(None, tag, INSIDE) for tag in self.tags]),
            torch.tensor([may(tag, None, INSIDE) for tag in self.tags]),
        )

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:
        table = cast("models.Tagger", model).reader.embedding
        sentences, _, forms = self._train
        rows = (forms.words[sentence] for sentence in sentences)
        pretrained.fill(self, "embeddings", table, self.words, rows, say)

    # Training.

    @cached_property
    def _train(self) -> tuple[text.IdStore, text.IdStore, text.Forms]:
        cache = self.folder / "cache"
        sentences, tags = (text.IdStore.open(cache / f"train.{part}") for part in ("forms", "tags"))
        return sentences, tags, text.Forms.open(cache)

    def plan(self, seed: int, epoch: int) -> Sequence[Batch]:
        sentences, tags, forms = self._train
        tokens = self.sections.training.batch_tokens
        planned = text.plan(sentences.lengths, tokens=tokens, seed=seed, epoch=epoch)

        def batch(each: NDArray[np.integer]) -> Batch:
            ids = torch.from_numpy(text.pad(tags.rows(each), 0).ids)
            return Batch(rows.sentences(sentences.rows(each), forms, self.words.pad), ids)

        return rows.Plan(planned, batch)

    def look_up(self, sentences: Sequence[Sequence[str]]) -> tuple[list[text.Ids], text.Forms]:
        """Sentences as numbers of their distinct words, and these."""
        numbers = text.Numbers()
        numbered = [numbers.of(each) for each in sentences]
        return numbered, text.Forms.spelled(numbers, self.words, self.characters)

    def loss(self, model: nn.Module, batch: Batch, carried: base.Carried = None) -> base.Loss:
        made = cast("models.Tagger", model)
        log_probs = made.log_probs(made(batch.sentences), batch.tags, batch.sentences.lengths)
        return base.Loss(-log_probs.sum(), batch.count)

    # Use.

    @property
    def unconfused(self) -> str | None:
        if len(self.tags) <= MOST_CONFUSED:
            return None
        return f"there are {len(self.tags)} tags, and at most {MOST_CONFUSED} are told apart in a table"

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
        found = TagPredictor(self, models).tag([each.words for each in examples])
        predicted, gold = [each.tags for each in found], [[*each.tags] for each in examples]
        if self.scheme is not None:
            # IOB1 lets a span be spelled in two ways, of which predictions have one.
            gold = [schemes.convert(tags, self.scheme) for tags in gold]
        accuracy = metrics.token_accuracy(predicted, gold)
        scores = {"token_accuracy": accuracy}
        if self.scheme is not None:
            scores = {"span_f1": metrics.span_f1(predicted, gold), **scores}
        if self.unconfused is None:
            flat = [*chain.from_iterable(predicted)], [*chain.from_iterable(gold)]
            accuracy.details["confusion"] = metrics.confusion_table(*flat)
        if by_length:
            base.add_by_length(scores, [len(each.words) for each in examples])
        return scores

    def examples(self, split: str) -> list[text.TaggedSentence]:
        """The sentences of a split, their tags as the data has them.

        Raises:
            UserError: the recipe's data has no such split.
        """
        return text.read_part(
            self.folder / "cache",
            split,
            lambda words, tags, path, line: text.TaggedSentence(tuple(words), tuple(tags), path, line),
            self.sections.data,
        )

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look_labels.tag(paths)


def _files(folder: Path) -> tuple[Path, Path, Path]:
    return (
        folder / "tokenizer.words.json",
        folder / "tokenizer.characters.json",
        folder / "tokenizer.tags.json",
    )


def _scheme(sections: TagSections) -> schemes.Scheme | None:
    scheme = sections.data.scheme
    return None if scheme == "none" else "IOB2" if scheme == "BIO" else scheme


def _check(sentence: text.TaggedSentence, scheme: schemes.Scheme | None) -> None:
    if scheme is not None:
        try:
            schemes.check(sentence.tags, scheme)
        except UserError as error:
            place = at(sentence.path, sentence.line)
            raise UserError(f"{place}: in the sentence that begins here, {error}") from None


def _vocabulary(tags: set[str], scheme: schemes.Scheme | None) -> text.Vocabulary:
    """The tags there are; of a scheme every one of each type, so that all spans can be spelled."""
    if scheme is None:
        return text.Vocabulary.of(tags)
    types = sorted({tag.partition("-")[2] for tag in tags} - {""})
    if not types:
        raise UserError("all tags of the training data are O: there is nothing to find")
    return text.Vocabulary(["O", *(f"{prefix}-{each}" for each in types for prefix in "BIES")])
