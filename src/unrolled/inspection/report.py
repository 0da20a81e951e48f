"""Every view that a run has, on one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

from numpy.typing import NDArray

from unrolled import drawing
from unrolled.errors import UserError
from unrolled.inspection.alignment import alignment
from unrolled.inspection.beam import beam
from unrolled.inspection.errors import errors
from unrolled.inspection.gates import gates
from unrolled.inspection.gradients import gradients
from unrolled.inspection.opened import MOST, readable, views
from unrolled.inspection.view import Picture, Section, View, page
from unrolled.runs.folder import RunFolder
from unrolled.tasks import Predictor
from unrolled.tasks.inside import HeldOut, Readable

TEXTS, ALIGNED, JUDGED = 16, 3, 100
"""Held-out texts read for gates and gradients, those whose alignment is shown, and those whose errors are
judged."""


@dataclass(frozen=True, eq=False)
class Report(View):
    """Several views of one run."""

    title: ClassVar[str] = "Report"
    name: str
    lead: str
    scores: Mapping[str, Any]
    views: Mapping[str, View]

    def as_dict(self) -> dict[str, Any]:
        return {"run": self.name, "scores": self.scores} | {
            name: view.as_dict() for name, view in self.views.items()
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            f"{name}/{key}": array
            for name, view in self.views.items()
            for key, array in view.arrays().items()
        }

    def pictures(self) -> list[Picture]:
        return [picture for view in self.views.values() for picture in view.pictures()]

    def sections(self) -> list[Section]:
        rows: list[Sequence[drawing.Cell]] = [
            [split, score["name"], score["value"], score["low"], score["high"], score["signature"]]
            for split, entry in self.scores.items()
            if isinstance(entry, dict)
            for score in entry.values()
        ]
        header = ["split", "score", "value", "low", "high", "signature"]
        scores = [Section("Scores", [drawing.table(header, rows)])] if rows else []
        return [*scores, *(section for view in self.views.values() for section in view.sections())]

    def lines(self) -> list[str]:
        return [line for name, view in self.views.items() for line in [f"# {name}", *view.lines()]]

    def page(self) -> drawing.Page:
        return page(self.name, self.sections(), self.lead)


def _short(found: Readable, held_out: Sequence[HeldOut]) -> Sequence[HeldOut]:
    """As many of them, one at least, as can all be looked into at once."""
    if sum(len(each.text) for each in held_out) <= MOST:  # a token has a character at least
        return held_out
    lengths = [sum(map(len, next(iter(found.read([each.text]).tokens.values())))) for each in held_out]
    few = [each for each, total in zip(held_out, accumulate(lengths), strict=True) if total <= MOST]
    return few or held_out[:1]


def _has_dev(found: Readable) -> bool:
    try:
        return bool(found.held_out("dev", 1))
    except UserError:
        return False


def report(
    predictor: Predictor,
    texts: Sequence[str] | None = None,
    answers: Sequence[str] | None = None,
    *,
    judged: int = JUDGED,
    progress: Callable[[str], None] = lambda doing: None,
) -> Report:
    """All the views this run has.

    Args:
        texts, answers: what to read; the run's first dev texts unless given.
        judged: dev texts whose errors are judged.
        progress: is told what is being done.

    Raises:
        UserError: no views, or no texts.
    """
    found = readable(predictor, "report")
    has, folder = views(predictor), RunFolder(found.task.folder)
    reference, given = answers[0] if answers else None, texts is not None
    if texts is None:
        # Some may be empty: they are scored, but there is nothing to look into.
        full = [each for each in found.held_out("dev", 2 * TEXTS) if each.text.strip()]
        held_out = _short(found, full[:TEXTS])
        texts = [each.text for each in held_out]
        reference = next((each.references[0] for each in held_out[:1] if each.references), None)
    if not texts:
        raise UserError("report: no text to look at")
    name = folder.path.resolve().name
    made: dict[str, View] = {}
    makers: dict[str, Callable[[], View]] = {
        "alignment": lambda: alignment(predictor, texts[:ALIGNED], answers and answers[:ALIGNED]),
        "gates": lambda: gates(predictor, texts, answers),
        "gradients": lambda: gradients({name: predictor}, texts, answers),
        "beam": lambda: beam(predictor, texts[0], reference),
        "errors": lambda: errors(predictor, "dev", judged, progress=progress),
    }
    if given and "errors" in has and not _has_dev(found):
        progress("errors left out: the run has no dev part")
        del makers["errors"]
    for view, make in makers.items():
        if view in has:
            progress(view)
            made[view] = make()
    lead = f"A run of task {found.task.name!r} ({found.task.shape}): {found.task.folder}"
    return Report(name, lead, folder.read_scores(), made)
