"""Translate: a line in, a line out, of any two lengths (many to many).

Languages, spellings and pronunciations alike: whatever comes as pairs of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from pydantic import model_validator
from torch import Tensor, nn

from unrolled import decoding, models, text
from unrolled.errors import UserError
from unrolled.metrics.settings import TranslationMetrics
from unrolled.tasks import look, pretrained, writer, writing
from unrolled.tasks import task as base
from unrolled.tasks.registry import register
from unrolled.text import BatchSettings

EXAMPLE_BEST = 3
"""Answers shown of each of the recipe's examples."""


class TranslateSections(base.Sections):
    """What a translator's recipe says."""

    data: text.ParallelData
    text: text.ParallelText
    model: models.EncoderDecoderSettings
    training: BatchSettings
    decoding: decoding.DecodingSettings
    metrics: TranslationMetrics

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.model.tie == "all" and not self.text.shared:
            raise ValueError(
                'model.tie = "all" needs one vocabulary: set text.shared = true, or model.tie = "target"'
            )
        if self.decoding.replace_unknown and self.model.attention == "none":
            raise ValueError(
                'decoding.replace_unknown copies the word most attended to, but model.attention = "none"'
            )
        return self


@dataclass(frozen=True)
class Translation(writer.Written):
    """One line's translation; attention is over the source's tokens.

    Attributes:
        source_tokens: the source as the model read it.
    """

    source_tokens: list[str] = field(default_factory=list)


class Translator(writer.Writer[text.Ids, Translation]):
    """A trained translator."""

    task: Translate

    def translate(self, lines: Sequence[str], **options: Any) -> list[Translation]:
        """Translate each line; options are those of ``[decoding]``: beam, length_penalty, nbest, ...

        Raises:
            UserError: an unknown option, or a value out of range.
        """
        return list(self.predict(lines, **options))

    def examples(self) -> list[base.Example]:
        found = []
        for source, *targets in self.task.sections.data.examples:
            best = self.translate([source], beam=EXAMPLE_BEST, nbest=EXAMPLE_BEST, samples=0)[0]
            given = self.score([source] * len(targets), targets)
            found.append(
                base.Example(
                    source,
                    [(each.text, each.score) for each in best.nbest or [best]],
                    [(each.text, each.score) for each in given],
                )
            )
        return found

    def nothing(self, line: str) -> Translation:
        return Translation()

    @property
    def readers(self) -> dict[str, str]:
        return {"encoder": self.task.source.separator}

    def positions(self, line: str, source: text.Ids) -> list[str]:
        return [*self.task.source.pieces(line), *self.task.source.tokens([self.task.source.eos])]

    def finish(
        self, line: str, source: text.Ids, written: dict[str, Any], settings: decoding.DecodingSettings
    ) -> Translation:
        whole: Callable[[], Tensor] | None = written["_attend"]
        if settings.replace_unknown and whole is None:
            raise UserError('replace_unknown: a model trained with attention = "none" looks at no word')
        if whole is not None:
            # eos of the source is a position like any other for the model, but no word of the line.
            written["_attend"] = lambda: whole()[:, : len(source)]
        found = Translation(**written, source_tokens=self.task.source.pieces(line))
        unknown = self.task.target.tokens([self.task.target.unk])[0]
        if not (settings.replace_unknown and whole is not None and unknown in found.tokens):
            return found
        looked_at = found.attention.argmax(dim=1).tolist()
        tokens = [
            found.source_tokens[looked_at[place]] if token == unknown else token
            for place, token in enumerate(found.tokens)
        ]
        return replace(found, text=self.task.target.separator.join(tokens), tokens=tokens)


@register
class Translate(writing.WritingTask[text.Ids]):
    """From pairs of lines to a translator."""

    name = "translate"
    shape = "many to many, of unequal length"
    verb = "translate"
    Sections = TranslateSections
    predictor_type = Translator
    sides = ("source", "target")
    tables = ("embeddings", "target_embeddings")

    sections: TranslateSections

    def __init__(
        self, sections: TranslateSections, folder: Path, source: text.Tokenizer, target: text.Tokenizer
    ) -> None:
        super().__init__(sections, folder)
        self.source, self.target = source, target

    @classmethod
    def open(cls, sections: TranslateSections, folder: Path) -> Translate:
        return cls(sections, folder, *map(text.Tokenizer.load, cls.tokenizer_files(folder)))

    @classmethod
    def corpus(
        cls, sections: TranslateSections, folder: Path, progress: base.Progress
    ) -> text.ParallelCorpus:
        return text.ParallelCorpus(sections.data)

    @classmethod
    def train_tokenizers(
        cls, corpus: text.PairedCorpus, sections: TranslateSections
    ) -> Sequence[text.Tokenizer]:
        return text.train_tokenizers(lambda: corpus.read("train"), sections.text)

    def build(self) -> nn.Module:
        return models.EncoderDecoder(self.sections.model, self.source.size, self.target.size)

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:
        made = cast("models.EncoderDecoder", model)
        source, target = self._train
        pretrained.fill(self, "embeddings", made.encoder.embedding, self.source, source, say)
        pretrained.fill(self, "target_embeddings", made.decoder.embedding, self.target, target, say)

    @property
    def target_settings(self) -> text.TokenizerSettings:
        return self.sections.text.target

    @property
    def encoders(self) -> tuple[text.Tokenizer, text.Tokenizer]:
        return self.source, self.target

    def read(self, lines: Sequence[str]) -> list[text.Ids]:
        # Of white space alone, some tokenizers make tokens: there is nothing to read all the same.
        return self.source.encode_many([line if line.strip() else "" for line in lines])

    def kept(self, sources: Sequence[str]) -> list[text.Ids]:
        return self.read(sources)

    def gather(self, ids: Sequence[NDArray[np.integer]]) -> list[text.Ids]:
        return [row.astype(np.int32) for row in ids]

    def pad(self, sources: Sequence[text.Ids]) -> tuple[Int[Tensor, "source batch"], Int[Tensor, " batch"]]:
        """Rows of ids side by side, each ended by eos."""
        padded = text.pad(sources, self.source.pad, end=self.source.eos)
        return torch.from_numpy(padded.ids), torch.from_numpy(padded.lengths)

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look.translate(paths)
