"""The trained classifier: texts in, their labels and probabilities out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unrolled import models
from unrolled.tasks import inside, rows
from unrolled.tasks import task as base

if TYPE_CHECKING:
    from unrolled.tasks.classify import Classify


@dataclass(frozen=True)
class Classification:
    """One text's labels.

    Attributes:
        text: its label; where there may be several, those with a probability of at least one half.
        labels: the same as a list.
        probabilities: of every label.
    """

    text: str
    labels: list[str]
    probabilities: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class LabelPredictor(inside.Readable):
    """A trained classifier; several models together answer with the mean of their probabilities."""

    task: Classify

    def predict(self, lines: Iterable[str], **options: Any) -> Iterator[Classification]:
        base.no_options(self.task.name, options)
        for chunk in rows.chunks(lines):
            yield from map(self._classification, self.probabilities(chunk).tolist())

    def classify(self, lines: Sequence[str]) -> list[Classification]:
        """The labels of each text."""
        return list(self.predict(lines))

    @torch.no_grad()
    def logits(self, lines: Sequence[str]) -> list[Float[Tensor, "texts labels"]]:
        """What each model says of each text."""
        numbered, forms = self.task.look_up(lines)
        found = [torch.empty(len(lines), len(self.task.labels)) for _ in self.models]
        # An empty text is its eos alone, and goes along.
        for group in rows.alike([np.append(each, forms.end) for each in numbered]):
            batch = self.task.sentences([numbered[row] for row in group], forms).on(self.device)
            for into, model in zip(found, self.models, strict=True):
                into[group] = model(batch).float().cpu()
        return found

    def probabilities(self, lines: Sequence[str]) -> Float[Tensor, "texts labels"]:
        """P of every label of each text."""
        each = [
            cast("models.Classifier", model).probabilities(logits)
            for model, logits in zip(self.models, self.logits(lines), strict=True)
        ]
        return torch.stack(each).mean(0)

    # Looking inside.

    def read(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> inside.Reading:
        task, model = self.task, cast("models.Classifier", self.models[0])
        given = inside.answered(texts, answers)
        if given is None:
            found = self.classify(texts)
            given, labels = [each.text for each in found], [each.labels for each in found]
        else:
            labels = [task.sections.data.split(each) for each in given]
        ids = [task.labels.encode(filter(None, each)) for each in labels]
        batch = task.batch(*task.look_up(texts), ids).to(self.device)
        end = task.tokenizer.tokens([task.tokenizer.eos])
        read = [[*task.pieces(line), *end] for line in texts]
        lengths = batch.sentences.lengths

        def run() -> models.Forced:
            found = model.log_probs(model(batch.sentences), batch.labels.to(model.readout.weight))
            # The label is of the whole text: it stands at its last position.
            last = torch.arange(int(lengths.max()), device=self.device)[:, None] == lengths - 1
            return models.Forced(found * last, None)

        return inside.Reading(
            {"reader": read},
            {"reader": task.tokenizer.separator},
            "reader",
            [[*[""] * (len(each) - 1), label or "∅"] for each, label in zip(read, given, strict=True)],
            None,
            run,
            whole=True,
        )

    def held_out(self, split: str, count: int | None = None) -> list[inside.HeldOut]:
        found, separator = self.task.examples(split)[:count], self.task.sections.data.separator
        return [inside.HeldOut(each.text, [separator.join(each.labels)]) for each in found]

    def _classification(self, found: Sequence[float]) -> Classification:
        names, data = self.task.labels.names, self.task.sections.data
        if data.several:
            labels = [name for name, probability in zip(names, found, strict=True) if probability >= 0.5]
        else:
            labels = [names[int(np.argmax(found))]]
        return Classification(data.separator.join(labels), labels, dict(zip(names, found, strict=True)))
