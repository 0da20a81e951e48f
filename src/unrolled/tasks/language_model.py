"""Language model: what comes next? Words, characters, bytes or byte pairs (one to many)."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from unrolled.tasks import look_language, pretrained, rows
from unrolled.tasks import task as base
from unrolled.tasks.language_predictor import STRETCH, LanguagePredictor
from unrolled.tasks.registry import register
from unrolled.text import StreamSettings

_DIGESTS = "digests"
LEARNT_FROM = 2**28
"""Bytes of text that byte pairs are learnt from at most; counts of words are bounded by themselves."""


class LanguageModelSections(base.Sections):
    """What a language model's recipe says."""

    data: text.PlainData
    text: text.TokenizerSettings
    model: models.LanguageModelSettings
    training: StreamSettings
    decoding: decoding.GenerationSettings


@dataclass(frozen=True)
class Batch:
    """A window of the stream, or lines by themselves: tokens, and those that follow them."""

    inputs: Int[Tensor, "time batch"]
    targets: Int[Tensor, "time batch"]
    lengths: Int[Tensor, " batch"] | None
    count: int

    def to(self, device: torch.device | str) -> Batch:
        lengths = None if self.lengths is None else self.lengths.to(device)
        return Batch(self.inputs.to(device), self.targets.to(device), lengths, self.count)


@register
class LanguageModel(base.Task):
    """From text to a model of it."""

    name = "language-model"
    shape = "one to many"
    verb = "generate"
    Sections = LanguageModelSections
    predictor_type = LanguagePredictor

    sections: LanguageModelSections

    def __init__(self, sections: LanguageModelSections, folder: Path, tokenizer: text.Tokenizer) -> None:
        super().__init__(sections, folder)
        self.tokenizer = tokenizer

    @classmethod
    def scores_of(cls, sections: LanguageModelSections) -> Sequence[str]:
        words = sections.text.kind == "word"  # whose characters are not all known
        return ("perplexity", "nats_per_token", *(() if words else ("bits_per_character",)))

    def unlike(self, other: LanguageModel) -> str | None:
        return None if self.sections.data.form == other.sections.data.form else "data.form"

    @classmethod
    def prepare_anew(
        cls, sections: LanguageModelSections, folder: Path, progress: base.Progress
    ) -> tuple[LanguageModel, dict[str, Any]]:
        cache = folder / "cache"
        corpus = text.PlainCorpus(sections.data)
        path = _tokenizer_file(folder)
        if not path.exists():
            progress("learning the vocabulary", 0.0)
            limit = LEARNT_FROM if sections.text.kind == "bpe" else sys.maxsize
            text.Tokenizer.train(corpus.sample("train", limit), sections.text).save(path)
        task = cls.open(sections, folder)
        cutoffs, size = sections.model.cutoffs, task.tokenizer.size
        if cutoffs and cutoffs[-1] >= size:
            raise UserError(
                f"model.cutoffs = {list(cutoffs)}: should be below the {size:,} entries of the vocabulary"
            )
        found, digests = {}, {}
        for part in corpus.parts():
            # Blank lines are left out of every part: a model that saw none would be asked for their ends.
            longest = sections.data.max_length if part == "train" else sys.maxsize
            digest = hashlib.blake2b(digest_size=16)
            found[part] = text.encode_records(
                _noted(corpus.read(part), digest),
                [task.tokenizer],
                [cache / part],
                max_length=longest if task.by_line else None,
                end=task.tokenizer.eos,
                progress=_share(progress, f"turning {part} into ids", corpus.bytes(part)),
                noun="texts",
            )
            progress(f"{part}: {found[part]}", 1.0)
            digests[part] = digest.hexdigest()
        return task, {**{part: vars(each) for part, each in found.items()}, _DIGESTS: digests}

    def text_digest(self, split: str) -> str | None:
        digest: str | None = base.read_prepared(self.folder).get(_DIGESTS, {}).get(split)
        return digest

    @classmethod
    def open(cls, sections: LanguageModelSections, folder: Path) -> LanguageModel:
        return cls(sections, folder, text.Tokenizer.load(_tokenizer_file(folder)))

    @property
    def by_line(self) -> bool:
        """Whether each line is a text by itself."""
        return self.sections.data.form == "lines"

    @property
    def endless(self) -> bool:
        """Whether eos is the end of a line, after which the text goes on."""
        return self.sections.data.form == "stream"

    def build(self) -> nn.Module:
        settings = self.sections.model
        reset_at = self.tokenizer.eos if settings.reset and not self.by_line else None
        return models.LanguageModel(settings, self.tokenizer.size, reset_at=reset_at)

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:
        table = cast("models.LanguageModel", model).embedding
        pretrained.fill(self, "embeddings", table, self.tokenizer, self._train, say)

    # Training.

    @cached_property
    def _train(self) -> text.IdStore:
        return self.store("train")

    def store(self, part: str) -> text.IdStore:
        """The ids of a part; every row ends in eos.

        Raises:
            UserError: the recipe's data has no such part, or it was lost.
        """
        path = self.folder / "cache" / part
        text.check_part(path, part, self.sections.data)
        return text.IdStore.open(path)

    def plan(self, seed: int, epoch: int) -> Sequence[Batch]:
        store, training = self._train, self.sections.training
        if self.by_line:
            planned = text.plan(store.lengths, tokens=training.batch_tokens, seed=seed, epoch=epoch)
            return rows.Plan(planned, lambda each: self.lines(store.rows(each)))
        windows = text.stream_windows(
            store.ids,
            batch=training.columns,
            length=training.window,
            context=self.tokenizer.eos,
            jitter=training.window_jitter,
            seed=seed,
            epoch=epoch,
        )
        return rows.Plan(windows, self.window)

    def ended(self, given: str) -> list[NDArray[np.int32]]:
        """A text as rows that are read by themselves, each ended by eos.

        A stream is one row with an eos after each line, unless the state is zero again after each.
        """
        lines = given.split("\n") if self.endless else [given]
        rows = [np.append(each, np.int32(self.tokenizer.eos)) for each in self.tokenizer.encode_many(lines)]
        return rows if self.sections.model.reset else [np.concatenate(rows)]

    def lines(self, ended: Sequence[NDArray[np.integer]]) -> Batch:
        """Rows that end in eos, each a text by itself after an eos."""
        inputs = text.pad([row[:-1] for row in ended], self.tokenizer.pad, begin=self.tokenizer.eos)
        targets, lengths = text.pad(ended, self.tokenizer.pad)
        count = int(lengths.sum())
        ids, expected = torch.from_numpy(inputs.ids), torch.from_numpy(targets)
        return Batch(ids, expected, torch.from_numpy(lengths), count)

    def window(self, window: text.Window) -> Batch:
        """A window of the stream."""
        inputs, targets = map(torch.from_numpy, window)
        return Batch(inputs, targets, None, targets.numel())

    def loss(self, model: nn.Module, batch: Batch, carried: base.Carried = None) -> base.Loss:
        total, state = model(batch.inputs, batch.targets, carried, lengths=batch.lengths)
        return base.Loss(total, batch.count, None if self.by_line else state)

    # Use.

    def prompt(self, given: str, called: str = "--prompt") -> text.Ids:
        """The ids of the beginning of a text; a line's end in it is the token that it is in training.

        Args:
            called: what it is in a complaint.

        Raises:
            UserError: there is text, but none of its tokens is known; several lines, where each is a text.
        """
        if any("\ud800" <= letter <= "\udfff" for letter in given):
            raise UserError(f"{called} {given!r}: not valid UTF-8")
        if self.by_line and "\n" in given:
            raise UserError(f"{called}: has several lines, but this model's texts are single lines")
        lines = given.split("\n") if self.endless else [given]
        encoded = self.tokenizer.encode_many(lines)
        if given.strip() and all((each == self.tokenizer.unk).all() for each in encoded):
            raise UserError(
                f"{called} {given!r}: the model knows none of its {self.tokenizer.kind}s: it was trained on"
                " other text"
            )
        ended = [np.append(each, np.int32(self.tokenizer.eos)) for each in encoded]
        return np.concatenate(ended)[:-1]

    def evaluate(
        self, models: Sequence[nn.Module], split: str, *, quick: bool = False, **options: Any
    ) -> dict[str, metrics.Score]:
        base.no_options(self.name, options)
        store, predictor = self.store(split), cast("LanguagePredictor", self.predictor(models))
        if self.by_line:
            losses = np.concatenate(predictor.line_losses(store.rows(range(len(store)))))
        else:
            columns = self.sections.training.columns if quick else 1
            losses = predictor.stream_losses(store.ids, min(columns, len(store.ids)))
        return self.scores(store.ids[: len(losses)], losses)

    def scores(
        self, ids: NDArray[np.integer], losses: Float[np.ndarray, " tokens"]
    ) -> dict[str, metrics.Score]:
        """The scores of tokens and what was lost on each."""
        cut = self.sections.data.form == "documents"
        if cut:
            begins = np.arange(0, len(ids), STRETCH)
        else:
            begins = np.append(0, np.flatnonzero(ids[:-1] == self.tokenizer.eos) + 1)
            lengths = np.diff(np.append(begins, len(ids)))
            # A long line is many segments: of a single one no interval could be told.
            long = np.flatnonzero(lengths > STRETCH)
            further = [np.arange(STRETCH, lengths[each], STRETCH) + begins[each] for each in long]
            begins = np.sort(np.concatenate([begins, *further]))
            cut = len(long) > 0
        lost = np.add.reduceat(losses, begins)
        counts = np.diff(np.append(begins, len(ids)))
        kind, over = self.tokenizer.kind, self.tokenizer.digest
        found = {
            "perplexity": metrics.perplexity(lost, counts, tokens=kind, over=over),
            "nats_per_token": metrics.nats_per_token(lost, counts, tokens=kind, over=over),
        }
        if kind != "word":  # what an unknown word's characters are, it does not say
            characters = np.add.reduceat(self.tokenizer.characters(ids), begins)
            # Where segments are stretches of tokens, another vocabulary cuts them elsewhere.
            over = over if cut else ""
            found["bits_per_character"] = metrics.bits_per_character(lost, characters, over=over)
        return found

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look_language.language_model(paths)


def _tokenizer_file(folder: Path) -> Path:
    return folder / "tokenizer.text.json"


def _noted(records: Iterable[text.Record], digest: hashlib.blake2b) -> Iterator[text.Record]:
    """The records; ``digest`` has seen them, as lines, when they are read."""
    for record in records:
        digest.update(f"{record.fields[0]}\n".encode("utf-8", "surrogatepass"))
        yield record


def _share(progress: base.Progress, what: str, total: int | None) -> Callable[[int, int], None]:
    """How far the reading of ``total`` bytes is."""

    def show(count: int, read: int) -> None:
        # Short of all: what says so is what became of it.
        progress(f"{what}: {count:,}", 0.0 if total is None else min(0.999, read / total))

    return show
