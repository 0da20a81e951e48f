"""A trained language model put to use: it writes, and says how probable a text is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from unrolled import decoding, models, text
from unrolled.errors import UserError
from unrolled.tasks import inside, rows
from unrolled.tasks import task as base

if TYPE_CHECKING:
    from unrolled.tasks.language_model import Batch, LanguageModel

POSITIONS = 4096
"""Positions that are scored together."""
STRETCH = 1000
"""Tokens that count as one segment of a document, for intervals and paired tests."""


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
        problem: why nothing was drawn, where a line could not be gone on from.
    """

    text: str
    prompt: str
    log_prob: float
    tokens: list[str]
    token_log_probs: list[float]
    seed: int | None
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        known = {name: value for name, value in vars(self).items() if name != "problem"}
        return {**known, **base.problem(self.problem)}


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
    scored = ("lines",)

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
            self._packings[settings.weights],
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
        """Go on from each line; options are those of :meth:`generate`. A line of which the model knows no
        token is answered by nothing."""
        rows.check_lines(lines)
        for line in lines:
            try:
                self.task.prompt(line, "prompt")
            except UserError as error:
                yield Generated("", line, 0.0, [], [], options.get("seed"), str(error))
                continue
            yield self.generate(line, **options)[0]

    def score(self, lines: Sequence[str]) -> list[ScoredText]:
        """log P of each token: of each line given those before it, where the model was trained on a stream;
        of each by itself, where on lines; of all of them as one document, where on documents."""
        rows.check_lines(lines)
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
        return -models.mean_probability(each).cpu().numpy()

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
