"""Language model: what comes next? Words, characters, bytes or byte pairs (one to many)."""

from __future__ import annotations

import json
import math
import secrets
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
from unrolled.tasks import inside, look_language, pretrained, rows
from unrolled.tasks import task as base
from unrolled.tasks.registry import register

LEARNT_FROM = 2**28
"""Bytes of text that byte pairs are learnt from at most; counts of words are bounded by themselves."""
POSITIONS = 4096
"""Positions that are scored together."""
STRETCH = 1000
"""Tokens that count as one segment of a document, for intervals and paired tests."""


class LanguageModelSections(base.Sections):
    """What a language model's recipe says."""

    data: text.PlainData
    text: text.TokenizerSettings
    model: models.LanguageModelSettings
    training: text.StreamSettings
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


@dataclass(frozen=True)
class Generated:
    """A text that was drawn.

    Attributes:
        text: the prompt and what follows it, as a reader expects it.
        prompt: what was given.
        tokens, token_log_probs: what was drawn and log P of each under the model, in nats; an eos that ended
            the text is the last.
        log_prob: their sum.
        seed: with it and the same options the same text is drawn again.
    """

    text: str
    prompt: str
    log_prob: float
    tokens: list[str]
    token_log_probs: list[float]
    seed: int

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class ScoredText:
    """How probable a given text is under the model.

    Attributes:
        log_prob: natural logarithm of P(text), its end counted.
        score: log-probability a token.
        tokens, token_log_probs: each token, eos last, and its share.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    token_log_probs: list[float]

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class LanguagePredictor(inside.Readable):
    """A trained language model; several models together answer with the mean of their probabilities."""

    task: LanguageModel

    def generate(
        self,
        prompt: str = "",
        *,
        samples: int = 1,
        seed: int | None = None,
        show: Callable[[str], None] | None = None,
        **options: Any,
    ) -> list[Generated]:
        """Go on from a prompt, by chance; options are those of ``[decoding]``: length, temperature, top_k ...

        Args:
            samples: how many texts, independent of each other.
            seed: same seed, same texts; another one each time unless given.
            show: called with each piece of the first text as soon as it is settled; the prompt comes first.

        Raises:
            UserError: an unknown option or a value out of range; a prompt without any token the model knows.
        """
        task, tokenizer = self.task, self.task.tokenizer
        settings = task.sections.decoding.updated(**options)
        seed = secrets.randbits(32) if seed is None else seed
        ids = task.prompt(prompt)
        context = torch.tensor([tokenizer.eos, *ids], device=self.device)[:, None]
        writers = [
            text.Writer(tokenizer, prompt, ids.tolist(), line_ends=task.endless) for _ in range(samples)
        ]
        pieces: list[list[str]] = [[] for _ in writers]
        drawn: list[list[int]] = [[] for _ in writers]
        log_probs: list[list[float]] = [[] for _ in writers]

        def write(row: int, piece: str) -> None:
            pieces[row].append(piece)
            if row == 0 and piece and show is not None:
                show(piece)

        for step in decoding.stream(
            self.model,
            context[:-1],
            samples=samples,
            sampling=settings.sampling,
            seed=seed,
            max_length=settings.length,
            bos=context[-1],
            eos=None if task.endless else tokenizer.eos,
            banned=[tokenizer.pad, tokenizer.unk, tokenizer.bos],
        ):
            for row, (token, log_prob) in enumerate(zip(step.tokens, step.log_probs, strict=True)):
                if token is not None and log_prob is not None:
                    drawn[row].append(token)
                    log_probs[row].append(log_prob)
                    write(row, writers[row].add(token))
        for row, writer in enumerate(writers):
            write(row, writer.close())
        return [
            Generated("".join(parts), prompt, sum(log_prob), tokenizer.tokens(tokens), log_prob, seed)
            for parts, tokens, log_prob in zip(pieces, drawn, log_probs, strict=True)
        ]

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Generated]:
        """Go on from each line; options are those of :meth:`generate`."""
        for line in lines:
            yield self.generate(line, **options)[0]

    def score(self, lines: Sequence[str]) -> list[ScoredText]:
        """log P of each token: of each line given those before it, where the model was trained on a stream;
        of each by itself, where on lines; of all of them as one document, where on documents."""
        task, tokenizer = self.task, self.task.tokenizer
        texts = ["\n".join(lines)] if task.sections.data.form == "documents" and lines else list(lines)
        ids = [np.append(each, np.int32(tokenizer.eos)) for each in tokenizer.encode_many(texts)]
        losses = self.losses(ids)
        return [
            ScoredText(each, -float(loss.mean()), -float(loss.sum()), tokenizer.tokens(row), (-loss).tolist())
            for each, row, loss in zip(texts, ids, losses, strict=True)
        ]

    def losses(self, ids: Sequence[text.Ids]) -> list[Float[np.ndarray, " tokens"]]:
        """−log P of each token of rows that end in eos, in nats."""
        if not ids:
            return []
        if self.task.sections.data.form == "lines":
            return self.line_losses(ids)
        ends = np.cumsum([len(row) for row in ids])[:-1]
        return np.split(self.stream_losses(np.concatenate(ids)), ends)

    def stream_losses(self, ids: NDArray[np.integer], columns: int = 1) -> Float[np.ndarray, " tokens"]:
        """−log P of each token of one stream in nats, the state carried from its beginning to its end.

        Args:
            columns: read so many places side by side, each from a zero state; up to ``columns - 1`` tokens at
                the end are left out. Faster, and a little too high.
        """
        windows = text.stream_windows(
            ids, batch=columns, length=-(-POSITIONS // columns), context=self.task.tokenizer.eos
        )
        states: list[Any] = [None] * len(self.models)
        found = []
        for window in windows:
            batch = self.task.window(window).to(self.device)
            found.append(self._losses(batch, states))
        return np.concatenate(found).T.ravel()

    def line_losses(self, ids: Sequence[NDArray[np.integer]]) -> list[Float[np.ndarray, " tokens"]]:
        """−log P of each token of each row in nats, every row by itself."""
        losses: list[NDArray[np.float64]] = [np.empty(0)] * len(ids)
        for group in text.plan([len(row) for row in ids], tokens=POSITIONS, seed=0, epoch=0):
            batch = self.task.lines([ids[row] for row in group]).to(self.device)
            found = self._losses(batch, [None] * len(self.models))
            for column, row in enumerate(group.tolist()):
                losses[row] = found[: len(ids[row]), column]
        return losses

    def _losses(self, batch: Batch, states: list[Any]) -> Float[np.ndarray, "time batch"]:
        """Under all models together; leaves the state of each in ``states``."""
        each = []
        for index, model in enumerate(cast("list[models.LanguageModel]", self.models)):
            with torch.inference_mode():
                log_probs, states[index] = model.log_probs(
                    batch.inputs, batch.targets, states[index], lengths=batch.lengths
                )
            each.append(log_probs.double())
        mean = torch.stack(each).logsumexp(0) - math.log(len(each))
        return -mean.cpu().numpy()

    # Looking inside.

    def texts(self, lines: Sequence[str]) -> list[str]:
        if self.task.by_line:
            return super().texts(lines)
        return ["\n".join(lines)] if any(line.strip() for line in lines) else []

    def read(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> inside.Reading:
        if answers is not None:
            raise UserError("a language model is given no answers: it predicts the text itself")
        task, model = self.task, cast("models.LanguageModel", self.models[0])
        inside.check_read(len(each.strip()) for each in texts)
        rows = [row for each in texts for row in task.ended(each)]
        names, eos = task.tokenizer.vocabulary, task.tokenizer.eos
        end = "\n" if task.endless else names[eos]  # eos is a line's end, after which the text goes on
        expected = [[end if token == eos else names[token] for token in row.tolist()] for row in rows]
        batch = task.lines(rows).to(self.device)

        def run() -> models.Forced:
            return models.Forced(model.log_probs(batch.inputs, batch.targets, lengths=batch.lengths)[0], None)

        return inside.Reading(
            {"layers": [[end, *each[:-1]] for each in expected]},
            {"layers": task.tokenizer.separator},
            "layers",
            expected,
            None,
            run,
        )

    def held_out(self, split: str, count: int | None = None) -> list[inside.HeldOut]:
        task, store = self.task, self.task.store(split)
        texts = [task.tokenizer.decode(row[:-1][:STRETCH]) for row in store.rows(range(len(store))[:count])]
        return [inside.HeldOut(each, []) for each in self.texts(texts)]


@register
class LanguageModel(base.Task):
    """From text to a model of it."""

    name = "language-model"
    shape = "one to many"
    verb = "generate"
    Sections = LanguageModelSections
    selection = "perplexity"
    predictor_type = LanguagePredictor

    sections: LanguageModelSections

    def __init__(self, sections: LanguageModelSections, folder: Path, tokenizer: text.Tokenizer) -> None:
        super().__init__(sections, folder)
        self.tokenizer = tokenizer

    @classmethod
    def prepare(
        cls, sections: LanguageModelSections, folder: Path, progress: base.Progress = base.silent
    ) -> LanguageModel:
        cache = folder / "cache"
        done = cache / "prepared.json"
        if done.exists():
            return cls.open(sections, folder)
        pretrained.check(sections, "embeddings")
        corpus = text.PlainCorpus(sections.data)
        cache.mkdir(parents=True, exist_ok=True)
        path = _tokenizer_file(folder)
        if not path.exists():
            progress("learning the vocabulary", 0.0)
            limit = LEARNT_FROM if sections.text.kind == "bpe" else sys.maxsize
            text.Tokenizer.train(corpus.sample("train", limit), sections.text).save(path)
        task = cls.open(sections, folder)
        found = {}
        for part in corpus.parts():
            found[part] = text.encode_records(
                corpus.read(part),
                [task.tokenizer],
                [cache / part],
                max_length=sections.data.max_length if task.by_line and part == "train" else None,
                end=task.tokenizer.eos,
                progress=_share(progress, f"turning {part} into ids", corpus.bytes(part)),
                noun="texts",
            )
            progress(f"{part}: {found[part]}", 1.0)
        # Last, because its presence says that all of the above is whole.
        done.write_text(json.dumps({part: vars(each) for part, each in found.items()}), encoding="utf-8")
        return task

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
        pretrained.fill(self.sections, "embeddings", table, self.tokenizer, say)

    # Training.

    @cached_property
    def _train(self) -> text.IdStore:
        return self.store("train")

    def store(self, part: str) -> text.IdStore:
        """The ids of a part; every row ends in eos.

        Raises:
            UserError: the recipe's data has no such part.
        """
        cache = self.folder / "cache"
        if cache.is_dir() and not (cache / part).is_dir():
            kept = ", ".join(sorted(path.name for path in cache.iterdir() if path.is_dir()))
            raise UserError(
                f"the run has no {part} part (it has: {kept}); its recipe gave neither data.{part} nor"
                f" data.{part}_size"
            )
        return text.IdStore.open(cache / part)

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

    def prompt(self, given: str) -> text.Ids:
        """The ids of the beginning of a text; a line's end in it is the token that it is in training.

        Raises:
            UserError: there is text, but none of its tokens is known; several lines, where each is a text.
        """
        if self.by_line and "\n" in given:
            raise UserError("--prompt: has several lines, but this model's texts are single lines")
        lines = given.split("\n") if self.endless else [given]
        encoded = self.tokenizer.encode_many(lines)
        if given.strip() and all((each == self.tokenizer.unk).all() for each in encoded):
            raise UserError(
                f"--prompt {given!r}: the model knows none of its {self.tokenizer.kind}s: it was trained on"
                " other text"
            )
        ended = [np.append(each, np.int32(self.tokenizer.eos)) for each in encoded]
        return np.concatenate(ended)[:-1]

    def evaluate(
        self, models: Sequence[nn.Module], split: str, *, quick: bool = False, **options: Any
    ) -> dict[str, metrics.Score]:
        if options:
            raise UserError(f"a language model is not evaluated {', '.join(options)}")
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
        if self.sections.data.form == "documents":
            begins = np.arange(0, len(ids), STRETCH)
        else:
            begins = np.append(0, np.flatnonzero(ids[:-1] == self.tokenizer.eos) + 1)
        lost = np.add.reduceat(losses, begins)
        counts = np.diff(np.append(begins, len(ids)))
        kind = self.tokenizer.kind
        found = {
            "perplexity": metrics.perplexity(lost, counts, tokens=kind),
            "nats_per_token": metrics.nats_per_token(lost, counts, tokens=kind),
        }
        if kind != "word":  # what an unknown word's characters are, it does not say
            characters = np.add.reduceat(self.tokenizer.characters(ids), begins)
            found["bits_per_character"] = metrics.bits_per_character(lost, characters)
        return found

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look_language.language_model(paths)


def _tokenizer_file(folder: Path) -> Path:
    return folder / "tokenizer.text.json"


def _share(progress: base.Progress, what: str, total: int | None) -> Callable[[int, int], None]:
    """How far the reading of ``total`` bytes is."""

    def show(count: int, characters: int) -> None:
        progress(f"{what}: {count:,}", 0.0 if total is None else min(1.0, characters / total))

    return show
