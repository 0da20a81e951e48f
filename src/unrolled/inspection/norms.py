"""How large gradients were in training, before clipping: what ``log.jsonl`` says of every line's updates."""

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


@dataclass(frozen=True, eq=False)
class TrainingNorms:
    """Gradient norms before clipping, a line of the log each.

    Attributes:
        run: the run's name.
        update: the last update of the line, ``(lines,)``.
        mean, largest: over the line's updates, ``(lines,)``.
        clipped: the share of the line's updates that were clipped, 0 to 1, ``(lines,)``.
        threshold: the recipe's ``clip_norm``; None without.
    """

    run: str
    update: Int[ndarray, " lines"]
    mean: Float[ndarray, " lines"]
    largest: Float[ndarray, " lines"]
    clipped: Float[ndarray, " lines"]
    threshold: float | None

    @property
    def share_clipped(self) -> float:
        """The share of all updates that were clipped."""
        updates = np.diff(self.update, prepend=0)
        return float((self.clipped * updates).sum() / updates.sum())

    def as_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "share_clipped": self.share_clipped,
            "median": float(np.median(self.mean)),
            "largest_of_all": float(self.largest.max()),
        }

    def pictures(self) -> list[Picture]:
        marks = [] if self.threshold is None else [(self.threshold, "clip_norm")]
        return [
            Picture(
                f"How the gradient norms of {self.run} are distributed",
                partial(
                    drawing.draw_histogram,
                    self.mean,
                    log_x=True,
                    marks=marks,
                    x_label="gradient norm before clipping (mean of a line's updates)",
                ),
            ),
            Picture(
                f"Gradient norms of {self.run} by update",
                partial(
                    drawing.draw_curves,
                    [
                        drawing.Series("mean", self.update, self.mean),
                        drawing.Series("largest", self.update, self.largest),
                    ],
                    log_y=True,
                    marks=marks,
                    x_label="update",
                    y_label="gradient norm before clipping",
                ),
            ),
        ]

    @property
    def summary(self) -> str:
        """The norms in one sentence."""
        return (
            f"{self.run}: over {int(self.update[-1]):,} updates the gradient's norm before clipping had the"
            f" median {np.median(self.mean):.3g} and was {self.largest.max():.3g} at most;"
            f" {self.share_clipped:.1%} of the updates were clipped."
        )


def training_norms(folder: RunFolder, run: str) -> TrainingNorms | None:
    """The norms of a run; None where its log has none.

    Raises:
        UserError: a damaged log; or not a run.
    """
    threshold = open_recipe(folder).training.clip_norm
    kept: list[dict[str, Any]] = []
    lines = folder.log.read_text(encoding="utf-8").splitlines() if folder.log.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            if number == len(lines):
                break  # a training that goes on is just writing it
            raise UserError(f"{at(folder.log, number)}: damaged: not a line of JSON; restore it") from None
        if "gradient_norm" in entry:
            kept.append(entry)
    if not kept:
        return None

    def column(name: str) -> ndarray:
        return np.array([entry[name] for entry in kept])

    return TrainingNorms(
        run,
        column("update"),
        column("gradient_norm"),
        column("gradient_norm_largest"),
        column("clipped"),
        threshold,
    )
