"""What each output token looked at: attention over the source (Bahdanau et al. 2014, section 5.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from unrolled import drawing
from unrolled.errors import UserError
from unrolled.inspection.opened import readable
from unrolled.inspection.view import Picture, Section, View, strings
from unrolled.tasks import Predictor, inside

END = "</s>"
"""How the end of a sequence is shown: a position like any other to the model, but no word of the text."""
ROWS = 64
"""Texts read together."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """One text and its answer.

    Attributes:
        source, target: what was looked at, and what was written, each with its end where it has one.
        weights: a distribution over the source for each target token, ``(target, source)``.
    """

    source: list[str]
    target: list[str]
    weights: Float[ndarray, "target source"]

    @property
    def entropy(self) -> Float[ndarray, " target"]:
        """How spread each token's look is, in bits: 0 for one place, log₂ n for all n places alike."""
        logs = np.log2(self.weights, out=np.zeros_like(self.weights), where=self.weights > 0)
        return -(self.weights * logs).sum(axis=1)

    @property
    def coverage(self) -> Float[ndarray, " source"]:
        """How much each source position was looked at, over all target tokens (Tu et al. 2016)."""
        return self.weights.sum(axis=0)

    @property
    def links(self) -> list[tuple[int, int]]:
        """``(source, target)`` for each target token and the place it looked at most; without the ends."""
        if not self.weights.size:
            return []
        most = self.weights.argmax(axis=1).tolist()
        source = len(self.source) - (self.source[-1:] == [END])
        target = len(self.target) - (self.target[-1:] == [END])
        return sorted((most[place], place) for place in range(target) if most[place] < source)

    @property
    def pharaoh(self) -> str:
        """The links as ``0-0 1-2 …``, source-target, as word aligners write them."""
        return " ".join(f"{source}-{target}" for source, target in self.links)

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "weights": self.weights,
            "entropy_bits": self.entropy,
            "coverage": self.coverage,
            "pharaoh": self.pharaoh,
        }


@dataclass(frozen=True)
class Alignments(View):
    """The alignment of each text."""

    title: ClassVar[str] = "Alignment"
    items: list[Alignment]

    def as_dict(self) -> dict[str, Any]:
        return {"alignments": [each.as_dict() for each in self.items]}

    def arrays(self) -> dict[str, NDArray[Any]]:
        found = {}
        for number, each in enumerate(self.items):
            found[f"{number}/source"], found[f"{number}/target"] = strings(each.source), strings(each.target)
            found[f"{number}/weights"] = each.weights
            found[f"{number}/entropy_bits"], found[f"{number}/coverage"] = each.entropy, each.coverage
            found[f"{number}/links"] = np.array(each.links, dtype=np.int64).reshape(-1, 2)
        return found

    def pictures(self) -> list[Picture]:
        return [
            Picture(
                f"Attention of {len(each.target)} output tokens over {len(each.source)} source positions",
                partial(drawing.draw_alignment, each.weights, each.source, each.target),
            )
            for each in self.items
            if each.weights.size
        ]

    def sections(self) -> list[Section]:
        blocks: list[str] = [
            "Each row is an output token, each column a position of the source; a row's weights sum to 1."
            " A row with high entropy looked everywhere; a column with low coverage was never looked at."
        ]
        shown = [each for each in self.items if each.weights.size]
        for each, picture in zip(shown, self.pictures(), strict=True):
            most = each.weights.argmax(axis=1)
            chosen: list[Sequence[drawing.Cell]] = [
                [token, each.source[place], float(each.weights[row, place]), float(entropy)]
                for row, (token, place, entropy) in enumerate(
                    zip(each.target, most, each.entropy, strict=True)
                )
            ]
            covered: list[Sequence[drawing.Cell]] = [
                [token, float(mass)] for token, mass in zip(each.source, each.coverage, strict=True)
            ]
            blocks += [
                picture.markup,
                drawing.details(
                    "As numbers",
                    drawing.table(["output", "looked most at", "weight", "entropy (bits)"], chosen),
                    drawing.table(["source", "coverage"], covered),
                    drawing.preformatted(each.pharaoh),
                ),
            ]
        return [Section(self.title, blocks)]

    def lines(self) -> list[str]:
        return [each.pharaoh for each in self.items]


def alignment(predictor: Predictor, texts: Sequence[str], answers: Sequence[str] | None = None) -> Alignments:
    """What each token of the answers looked at; the model's own answers unless given.

    An empty text has an empty alignment.

    Raises:
        UserError: a model without attention, no text, or unequal numbers of texts and answers.
    """
    found, answers = readable(predictor, "alignment"), inside.answered(texts, answers)
    items = [Alignment([], [], np.zeros((0, 0))) for _ in texts]
    lines = [line for line, text in enumerate(texts) if text.strip()]
    if not lines:
        raise UserError("alignment: no text to look at")
    for start in range(0, len(lines), ROWS):
        rows = lines[start : start + ROWS]
        replies = None if answers is None else [answers[line] for line in rows]
        reading = found.read([texts[line] for line in rows], replies)
        with torch.inference_mode():
            weights = reading.run().attention
        assert weights is not None
        assert reading.attended is not None
        for column, line in enumerate(rows):
            source, target = reading.attended[column], reading.expected[column]
            own = weights[: len(target), column, : len(source)]
            items[line] = Alignment(source, target, own.double().cpu().numpy())
    return Alignments(items)
