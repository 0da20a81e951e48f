"""How large gradients were in training, before clipping: what ``log.jsonl`` says of every update."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from unrolled import drawing
from unrolled.errors import UserError, at
from unrolled.inspection.view import Picture
from unrolled.runs.folder import RunFolder
from unrolled.runs.load import open_recipe

POINTS = 200
"""Of a curve over the updates; where there are more updates, a point stands for several."""


@dataclass(frozen=True, eq=False)
class TrainingNorms:
    """Gradient norms before clipping.

    Attributes:
        run: the run's name.
        update, norm: of each update, ``(updates,)``. Of a line of an older log, which has no more, the last
            update and the mean.
        updates: how many the log tells of.
        largest: the largest norm.
        share_clipped: the share of all updates that were clipped, 0 to 1.
        threshold: the recipe's ``clip_norm``; None without.
    """

    run: str
    update: Int[ndarray, " updates"]
    norm: Float[ndarray, " updates"]
    updates: int
    largest: float
    share_clipped: float
    threshold: float | None

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "median": float(np.median(self.norm))}

    def pictures(self) -> list[Picture]:
        marks = [] if self.threshold is None else [(self.threshold, "clip_norm")]
        each = "" if len(self.norm) == self.updates else " (means over updates)"
        label = f"gradient norm before clipping{each}"
        parts = min(POINTS, len(self.norm))
        place = [int(own[-1]) for own in np.array_split(self.update, parts)]
        found = [np.quantile(own, (0.25, 0.5, 0.75, 1)) for own in np.array_split(self.norm, parts)]
        low, median, high, largest = np.transpose(found)
        series = [drawing.Series("", place, median)]
        if parts < len(self.norm):
            series = [
                drawing.Series("median; the band holds the middle half", place, median, low, high),
                drawing.Series("largest", place, largest),
            ]
        return [
            Picture(
                f"How the gradient norms of {self.run} are distributed",
                partial(
                    drawing.draw_histogram,
                    self.norm,
                    log_x=True,
                    marks=marks,
                    x_label=label,
                ),
            ),
            Picture(
                f"Gradient norms of {self.run} by update",
                partial(
                    drawing.draw_curves,
                    series,
                    log_y=True,
                    marks=marks,
                    x_label="update",
                    y_label=label,
                ),
            ),
        ]

    @property
    def summary(self) -> str:
        """The norms in one sentence."""
        return (
            f"{self.run}: over {self.updates:,} updates the gradient's norm before clipping had the"
            f" median {np.median(self.norm):.3g} and was {self.largest:.3g} at most;"
            f" {self.share_clipped:.1%} of the updates were clipped."
        )


def training_norms(folder: RunFolder, run: str) -> TrainingNorms | None:
    """The norms of a run; None where its log has none.

    Raises:
        UserError: a damaged log; or not a run.
    """
    threshold = open_recipe(folder).training.clip_norm
    update: list[int] = []
    norm: list[float] = []
    updates, clipped, largest, last = 0, 0.0, 0.0, 0
    lines = folder.log.read_text(encoding="utf-8").splitlines() if folder.log.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if "gradient_norm" not in entry:
                continue
            until = entry["update"]
            own = entry.get("gradient_norms", [entry["gradient_norm"]])
            update += range(until - len(own) + 1, until + 1)
            norm += map(float, own)
            count = len(own) if "gradient_norms" in entry else until - last
            updates, clipped, last = updates + count, clipped + entry["clipped"] * count, until
            largest = max(largest, entry["gradient_norm_largest"])
        except (ValueError, KeyError, TypeError):
            if number == len(lines):
                break  # a training that goes on is just writing it
            raise UserError(
                f"{at(folder.log, number)}: damaged: not a line of a training's log; restore it"
            ) from None
    if not norm:
        return None
    return TrainingNorms(
        run, np.array(update), np.array(norm), updates, largest, clipped / updates, threshold
    )
