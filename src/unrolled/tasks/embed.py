"""Embed: from text to a vector a word, and questions to the vectors (one to one)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unrolled import embeddings, metrics, text
from unrolled.errors import UserError
from unrolled.files import writing
from unrolled.tasks import rows
from unrolled.tasks import task as base
from unrolled.tasks.look import lines_of, plain_origin
from unrolled.tasks.registry import register

FIRST = text.Tokenizer.eos + 1
"""The tokenizer's id of the first word; the special tokens before it have no vector."""
_LINES = 512
PIECE = 2**13
"""Bytes that are read of a line at once: a text may be one long line."""
_TOKENIZER = "tokenizer.words.json"


class EmbedSections(base.Sections):
    """What a recipe for word vectors says."""

    data: embeddings.CorpusData
    text: embeddings.WordSettings
    model: embeddings.VectorSettings
    training: embeddings.BlockSettings
    metrics: embeddings.WordTests


@dataclass(frozen=True)
class Neighbours:
    """A word, and the words nearest to it with their cosines.

    Attributes:
        problem: why there are none, where the word has no vector.
    """

    word: str
    nearest: list[tuple[str, float]]
    problem: str = ""

    @property
    def text(self) -> str:
        return " ".join(word for word, _ in self.nearest)

    def as_dict(self) -> dict[str, Any]:
        return {"word": self.word, "nearest": self.nearest, **base.problem(self.problem)}


class WordPredictor(base.Predictor):
    """Trained vectors: a word a line in, its neighbours out; everything else through :attr:`vectors`."""

    task: Embed

    @cached_property
    def vectors(self) -> embeddings.Vectors:
        """The words and their vectors.

        Raises:
            UserError: several runs, whose vectors have nothing to do with each other.
        """
        if len(self.models) > 1:
            raise UserError("vectors of several runs cannot be averaged: give one run")
        model, method = self.models[0].cpu(), self.task.method
        normalize = text.Tokenizer.load(self.task.folder / _TOKENIZER).normalize
        return embeddings.Vectors(self.task.words, method.vectors(model), method.unseen(model), normalize)

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Neighbours]:
        rows.check_lines(lines)
        topn = options.pop("topn", 10)
        base.no_options(self.task.name, options)
        vectors = self.vectors
        for word in map(str.strip, lines):
            try:
                yield Neighbours(word, vectors.most_similar(word, topn=topn) if word else [])
            except UserError as error:
                yield Neighbours(word, [], str(error))


@register
class Embed(base.SelfLearning):
    """From text to word vectors."""

    name = "embed"
    shape = "one to one"
    verb = "embed similar"
    Sections = EmbedSections
    predictor_type = WordPredictor
    tables = ()

    sections: EmbedSections

    def __init__(self, sections: EmbedSections, folder: Path, words: Sequence[str]) -> None:
        super().__init__(sections, folder)
        self.words = words

    @classmethod
    def scores_of(cls, sections: EmbedSections) -> Sequence[str]:
        return [name for name in ("pairs", "analogies") if getattr(sections.metrics, name) is not None]

    @classmethod
    def training_defaults(cls, model: Mapping[str, Any]) -> dict[str, Any]:
        if model.get("method") == "glove":
            return {"learning_rate": 0.1, "validate_every": 0}
        rate = 0.075 if model.get("method") == "cbow" else embeddings.FIRST_RATE
        falling = {"schedule": "linear", "minimum_learning_rate": embeddings.LAST_RATE}
        return {"learning_rate": rate, "validate_every": 0, **falling}

    @classmethod
    def prepare_anew(
        cls, sections: EmbedSections, folder: Path, progress: base.Progress
    ) -> tuple[Embed, dict[str, Any]]:
        cache = folder / "cache"
        if not (folder / _TOKENIZER).exists():
            progress("counting words", 0.0)
            _learn_words(sections).save(folder / _TOKENIZER)
        task = cls.open(sections, folder)
        corpus = embeddings.Corpus.write(cache, task._rows(progress), len(task.words))
        progress(f"train: {corpus.total:,} words, {len(task.words):,} different ones", 1.0)
        embeddings.give_back()
        with writing(cache):
            task.method.prepare(sections.training.batch_words, progress)
        embeddings.give_back()
        return task, {"words": corpus.total}

    @classmethod
    def open(cls, sections: EmbedSections, folder: Path) -> Embed:
        words = text.Tokenizer.load(folder / _TOKENIZER).vocabulary[FIRST:]
        embeddings.give_back()  # the tokenizer, several times the size of its words
        return cls(sections, folder, words)

    @cached_property
    def method(self) -> embeddings.Method:
        """How the vectors are learnt."""
        settings = self.sections.model
        return embeddings.METHODS[settings.method](settings, self.words, self.folder / "cache")

    def build(self) -> nn.Module:
        return self.method.build()

    # Training.

    def plan(self, seed: int, epoch: int) -> Sequence[base.Batch]:
        return self.method.plan(self.sections.training.batch_words, seed, epoch)

    def learn(self, model: nn.Module, batch: Any, rate: float, seed: int) -> base.Loss:
        threads = torch.get_num_threads()
        mean = self.method.learn(model, batch.content, rate=rate, seed=seed, threads=threads)
        return base.Loss(torch.tensor(mean * batch.count, dtype=torch.float64), batch.count)

    # Use.

    def evaluate(
        self, models: Sequence[nn.Module], split: str, *, quick: bool = False, **options: Any
    ) -> dict[str, metrics.Score]:
        """The questions of ``[metrics]``: they are no part of the text, so every split has the same."""
        base.no_options(self.name, options)
        tests, vectors = self.sections.metrics, WordPredictor(self, models).vectors
        asked = {
            "pairs": (tests.pairs, vectors.evaluate_word_pairs),
            "analogies": (tests.analogies, vectors.evaluate_word_analogies),
        }
        scores = {
            name: ask(self.sections.data.path(path))
            for name, (path, ask) in asked.items()
            if path is not None
        }
        if not scores:
            raise UserError(
                f"nothing to score with: unrolled embed evaluate {self.folder} --pairs FILE, or --analogies"
                " FILE"
            )
        return scores

    def _rows(self, progress: base.Progress) -> Iterator[text.Ids]:
        """The sentences as ids of words from 0; words without a vector are left out."""
        tokenizer = text.Tokenizer.load(self.folder / _TOKENIZER)
        lines, done = _lines(self.sections), 0
        while chunk := list(islice(lines, _LINES)):
            for row in tokenizer.encode_many(chunk):
                yield row[row >= FIRST] - FIRST
            done += len(chunk)
            progress(f"turning words into ids: {done:,} lines", 0.0)

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return _recipe(paths)


def _lines(sections: EmbedSections) -> Iterator[str]:
    """The text, a sentence a line.

    Raises:
        UserError: a file that is missing or no text; or there is not a word in any.
    """
    data = sections.data
    plain = text.PlainData(root=data.root, train=data.train, column=data.column)
    found = False
    corpus = text.PlainCorpus(plain)
    corpus.longest = PIECE
    for (line,), _, _ in corpus.read("train"):
        found = found or bool(line.strip())
        yield line
    if not found:
        raise UserError(f"{_named(data)}: holds no words")


def _learn_words(sections: EmbedSections) -> text.Tokenizer:
    """The vocabulary.

    Raises:
        UserError: as :func:`_lines`; or no word is frequent enough.
    """
    made = text.Tokenizer.train(_lines(sections), sections.text)
    if made.size == FIRST:
        least = sections.text.min_count
        raise UserError(
            f"{_named(sections.data)}: no word occurs text.min_count = {least} times: lower it, or give more"
            " text"
        )
    return made


def _named(data: embeddings.CorpusData) -> str:
    return data.train if isinstance(data.train, str) else " and ".join(data.train)


def _recipe(paths: Sequence[Path]) -> str:
    """A commented recipe for the text at ``paths``."""
    origin = plain_origin(paths)
    data = embeddings.CorpusData.model_validate(origin)
    text_settings = embeddings.WordSettings.model_validate({})
    sections = EmbedSections.model_construct(data=data, text=text_settings)
    lines = list(islice(_lines(sections), _LOOKED_AT))
    words = [word for line in lines for word in line.split()]
    # In running text about one word in ten ends in a mark that a tokenizer would have split off.
    marked = sum(len(word) > 1 and word[-1] in ".,;:!?" for word in words)
    raw = marked > 0.03 * len(words)
    few = len(words) < 200_000 and len(lines) < _LOOKED_AT
    return f"""\
# Word vectors from text: {len(lines):,}{" or more" if len(lines) == _LOOKED_AT else ""} lines of {
        len(words) / max(1, len(lines)):.1f} words.
# Every other setting has a default; `unrolled train` writes all of them into the run's recipe.toml.
task = "embed"

[data]
{lines_of(origin)}

[text]
split = "{"words" if raw else "space"}"  # {
        "marks stand at the ends of words here: they are split off"
        if raw
        else "the text is tokenized already"
    }
lowercase = {"true" if raw else "false"}
min_count = {2 if few else 5}

[model]
method = "skip-gram"
dimensions = {50 if few else 100}
window = 5
negatives = 5

[training]
epochs = {20 if few else 5}  # passes; {"little text wants more of them" if few else "much text needs few"}
"""


_LOOKED_AT = 50_000
"""Lines; more would not change the advice."""
