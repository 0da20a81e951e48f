"""Whose fault an error is: the search's, which missed a likelier answer, or the model's, which likes a worse.

With y° the answer found and y* the reference that the model itself scores best, both normalised with the α of
the search: where score(y* | x) > score(y° | x) the search is at fault, else the model (Ng, "Sequence Models",
error analysis in beam search; Stahlberg & Byrne 2019, "On NMT Search Errors and Model Errors").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unrolled import drawing
from unrolled.errors import UserError
from unrolled.inspection.opened import searching
from unrolled.inspection.view import Picture, Section, View, strings
from unrolled.metrics import Score
from unrolled.metrics.significance import compare
from unrolled.tasks import Predictor
from unrolled.tasks.inside import Answer, GivenAnswer, HeldOut, Searching

Verdict = Literal["right", "search", "model", "unknown"]
"""No error; the search's or the model's fault; every reference holds an unknown word: none can be found."""
BEAMS = (1, 3, 10, 30)
PENALTIES = (0.0, 0.4, 0.7, 1.0, 1.4)
WORST = 10
"""Sentences shown of each kind."""
FEW = 0.05
"""The share of errors below which the search is not worth a second look."""


@dataclass(frozen=True)
class Judged:
    """One text: the answer found, the reference the model likes best, and whose fault a difference is.

    Attributes:
        answer_score, reference_score: log-probability over lengthᵅ; the reference's is None where every one
            holds an unknown word.
    """

    text: str
    answer: str
    answer_score: float
    reference: str
    reference_score: float | None
    verdict: Verdict

    @property
    def gap(self) -> float:
        """How much the model prefers the answer to the reference; below zero where the search is at fault."""
        return 0.0 if self.reference_score is None else self.answer_score - self.reference_score


@dataclass(frozen=True)
class Outcome:
    """All texts answered under one beam and α.

    Attributes:
        verdicts: how many texts have each.
        mean_score: of the answers, normalised; a wider beam finds likelier ones.
        length_ratio: answer tokens over reference tokens.
        metrics: the task's own, by name.
        change: the 95 % interval of the chief metric's difference from that under the run's own settings
            (paired bootstrap).
    """

    beam: int
    length_penalty: float
    verdicts: dict[Verdict, int]
    mean_score: float
    length_ratio: float
    metrics: dict[str, float]
    change: tuple[float, float]

    def share(self, verdict: Verdict) -> float:
        """The share of all texts, 0 to 1."""
        return self.verdicts[verdict] / sum(self.verdicts.values())

    @property
    def wrong(self) -> int:
        """How many answers equal no reference."""
        return sum(self.verdicts.values()) - self.verdicts["right"]


@dataclass(frozen=True)
class Errors(View):
    """The analysis of a split.

    Attributes:
        metric: the task's chief metric, a name in each outcome's ``metrics``; ``higher_is_better`` or not.
        judged: every text, under the run's own beam and α; ``outcome`` sums them up.
        beams, penalties: the same texts under other beams, and other α.
    """

    title: ClassVar[str] = "Errors"
    split: str
    metric: str
    higher_is_better: bool
    judged: list[Judged]
    outcome: Outcome
    beams: list[Outcome]
    penalties: list[Outcome]

    @property
    def advice(self) -> str:
        """What to do, in one sentence that follows from the figures."""
        own, wrong = self.outcome, self.outcome.wrong
        if not wrong:
            return "Every answer equals a reference: there is nothing to mend here."
        at_fault = own.verdicts["search"] / wrong
        best = self._best(self.beams)
        if self._gain(best) > 0 and best.beam != own.beam:
            blamed = at_fault >= FEW and best.beam > own.beam
            lead = f"The search is at fault in {at_fault:.0%} of the errors, and beam" if blamed else "Beam"
            return (
                f"{lead} {best.beam} moves {self.metric} from {self._value(own):.2f} to"
                f" {self._value(best):.2f}: decode with --beam {best.beam}."
            )
        best = self._best(self.penalties)
        if self._gain(best) > 0 and best.length_penalty != own.length_penalty:
            return (
                f"α = {best.length_penalty:g} moves {self.metric} from {self._value(own):.2f} to"
                f" {self._value(best):.2f} (answers {best.length_ratio:.2f} times as long as the references,"
                f" now {own.length_ratio:.2f}): decode with --length-penalty {best.length_penalty:g}."
            )
        if at_fault >= FEW:
            return (
                f"The search is at fault in {at_fault:.0%} of the errors, yet no beam measured betters"
                f" {self.metric} beyond chance: likelier answers are no better; the model has to learn more."
            )
        return (
            f"The model is at fault in {own.verdicts['model'] / wrong:.0%} of the errors, the search in"
            f" {at_fault:.0%}: a wider beam will not help; train longer, on more data, or a larger model."
        )

    def worst(self, verdict: Verdict) -> list[Judged]:
        """The texts of this verdict where model and reference are furthest apart."""
        chosen = [each for each in self.judged if each.verdict == verdict]
        return sorted(chosen, key=lambda each: -abs(each.gap))[:WORST]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "advice": self.advice}

    def arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {
            "answer_score": np.array([each.answer_score for each in self.judged]),
            "reference_score": np.array(
                [np.nan if each.reference_score is None else each.reference_score for each in self.judged]
            ),
            "verdict": strings([each.verdict for each in self.judged]),
        }
        for kind, outcomes in (("beams", self.beams), ("penalties", self.penalties)):
            for name in ("beam", "length_penalty", "mean_score", "length_ratio"):
                found[f"{kind}/{name}"] = np.array([getattr(each, name) for each in outcomes])
            for verdict in get_args(Verdict):
                found[f"{kind}/{verdict}"] = np.array([each.verdicts[verdict] for each in outcomes])
            for name in self.outcome.metrics:
                found[f"{kind}/{name}"] = np.array([each.metrics[name] for each in outcomes])
        return found

    def pictures(self) -> list[Picture]:
        kinds = {"search": "search at fault", "model": "model at fault", "right": "equal to a reference"}
        beams, penalties = (
            [each.beam for each in self.beams],
            [each.length_penalty for each in self.penalties],
        )
        by_beam = [
            drawing.Series(label, beams, [100 * each.share(verdict) for each in self.beams])  # type: ignore[arg-type]
            for verdict, label in kinds.items()
        ]

        def curve(alt: str, x: Sequence[float], y: Sequence[float], **axes: Any) -> Picture:
            return Picture(alt, partial(drawing.draw_curves, [drawing.Series("", x, y)], **axes))

        values = [self._value(each) for each in self.beams]
        by_penalty = [self._value(each) for each in self.penalties]
        lengths = [each.length_ratio for each in self.penalties]
        alpha = "length penalty α"
        return [
            Picture(
                "Whose fault errors are, by beam",
                partial(drawing.draw_curves, by_beam, log_x=True, x_label="beam", y_label="% of the texts"),
            ),
            curve(f"{self.metric} by beam", beams, values, log_x=True, x_label="beam", y_label=self.metric),
            curve(f"{self.metric} by α", penalties, by_penalty, x_label=alpha, y_label=self.metric),
            curve(
                "Length by α", penalties, lengths, x_label=alpha, y_label="answer length / reference length"
            ),
        ]

    def sections(self) -> list[Section]:
        own = self.outcome
        shares: list[Sequence[drawing.Cell]] = [
            [_SAID[verdict], count, f"{own.share(verdict):.1%}"] for verdict, count in own.verdicts.items()
        ]
        pictures = self.pictures()
        header = [
            "beam",
            "α",
            *(_SAID[v] for v in get_args(Verdict)),
            "mean score",
            "length ratio",
            *own.metrics,
            f"change of {self.metric} (95 %)",
        ]

        def rows(outcomes: Sequence[Outcome]) -> list[Sequence[drawing.Cell]]:
            return [
                [
                    each.beam,
                    each.length_penalty,
                    *(each.verdicts[verdict] for verdict in get_args(Verdict)),
                    each.mean_score,
                    each.length_ratio,
                    *each.metrics.values(),
                    f"{each.change[0]:+.2f}\u00a0to\u00a0{each.change[1]:+.2f}",
                ]
                for each in outcomes
            ]

        blocks: list[str] = [
            self.advice,
            f"{len(self.judged):,} texts of {self.split}, beam {own.beam}, α = {own.length_penalty:g}. Where"
            " the model scores a reference above the answer, the search missed it; else the model prefers"
            " something wrong.",
            drawing.table(["verdict", "texts", "share"], shares),
        ]
        for verdict in ("search", "model"):
            worst: list[Sequence[drawing.Cell]] = [
                [each.text, each.answer, each.answer_score, each.reference, each.reference_score]
                for each in self.worst(verdict)
            ]
            if worst:
                columns = ["text", "answer", "score", "reference", "its score"]
                blocks.append(drawing.details(f"Worst: {_SAID[verdict]}", drawing.table(columns, worst)))
        return [
            Section("Errors: search or model", blocks),
            Section(
                "What a wider beam recovers",
                [*(p.markup for p in pictures[:2]), drawing.table(header, rows(self.beams))],
            ),
            Section(
                "What the length penalty does",
                [*(p.markup for p in pictures[2:]), drawing.table(header, rows(self.penalties))],
            ),
        ]

    def lines(self) -> list[str]:
        own = self.outcome
        found = [f"{len(self.judged)} texts of {self.split}, beam {own.beam}, α = {own.length_penalty:g}"]
        found += [f"{_SAID[v]}\t{count}\t{own.share(v):.1%}" for v, count in own.verdicts.items()]
        found += [
            f"beam {each.beam}\tα {each.length_penalty:g}\tsearch errors {each.share('search'):.1%}"
            f"\tlength ratio {each.length_ratio:.3f}\t"
            + "\t".join(f"{name} {value:.2f}" for name, value in each.metrics.items())
            for each in [*self.beams, *self.penalties]
        ]
        return [*found, self.advice]

    def _value(self, outcome: Outcome) -> float:
        return outcome.metrics[self.metric]

    def _gain(self, outcome: Outcome) -> float:
        """How much better than the run's own settings; nothing where that may be chance."""
        low, high = outcome.change
        if low <= 0 <= high:
            return 0.0
        change = self._value(outcome) - self._value(self.outcome)
        return change if self.higher_is_better else -change

    def _best(self, outcomes: Sequence[Outcome]) -> Outcome:
        return max(outcomes, key=self._gain)


_SAID: dict[Verdict, str] = {
    "right": "equal to a reference",
    "search": "search at fault",
    "model": "model at fault",
    "unknown": "references hold unknown words",
}


def errors(
    predictor: Predictor,
    split: str = "dev",
    count: int | None = None,
    *,
    beams: Sequence[int] = BEAMS,
    penalties: Sequence[float] = PENALTIES,
    progress: Callable[[str], None] = lambda doing: None,
) -> Errors:
    """Judge every error of a split, or of its first ``count`` texts, and try other beams and penalties.

    Args:
        progress: is told what is being done.

    Raises:
        UserError: a task without a search, a split that is not there or empty, a beam or α out of range.
    """
    found = searching(predictor, "errors")
    held_out = [each for each in found.held_out(split, count) if each.text.strip() and each.references]
    if not held_out:
        raise UserError(f"errors: {split} holds no texts with references")
    settings = found.task.sections.decoding
    work = _Work(found, held_out, progress)
    outcome, judged = work.under(settings.beam, settings.length_penalty)
    assert work.chief is not None
    return Errors(
        split,
        work.metric,
        work.chief.higher_is_better,
        judged,
        outcome,
        [work.under(beam, settings.length_penalty)[0] for beam in beams],
        [work.under(settings.beam, penalty)[0] for penalty in penalties],
    )


def verdict_of(
    answer: Answer, given: Sequence[GivenAnswer], *, unknown: bool = False
) -> tuple[Verdict, GivenAnswer]:
    """Whose fault the difference of an answer from its references is, and the reference compared with.

    Args:
        given: the references, scored with the α that ``answer`` was searched with.
        unknown: whether the search may give unknown words.
    """
    for each in given:
        if each.tokens[:-1] == answer.tokens or each.text == answer.text:  # of unknown words copied ones
            return "right", each
    possible = [each for each in given if unknown or not each.unknown]
    if not possible:
        return "unknown", given[0]
    best = max(possible, key=lambda each: each.score)
    return ("search" if best.score > answer.score else "model"), best


class _Work:
    """The same texts under different settings; each setting is searched once."""

    def __init__(
        self, predictor: Searching, held_out: Sequence[HeldOut], progress: Callable[[str], None]
    ) -> None:
        self.predictor, self.held_out, self.progress = predictor, held_out, progress
        self.texts = [each.text for each in held_out]
        self.done: dict[tuple[int, float], tuple[Outcome, list[Judged]]] = {}
        self.given: dict[float, list[Sequence[GivenAnswer]]] = {}
        self.chief: Score | None = None
        self.metric = predictor.task.score_names[0]
        self.unknown: bool = predictor.task.sections.decoding.allow_unknown

    def under(self, beam: int, length_penalty: float) -> tuple[Outcome, list[Judged]]:
        key = (beam, length_penalty)
        if key not in self.done:
            self.progress(f"beam {beam}, α = {length_penalty:g}")
            self.done[key] = self._under(beam, length_penalty)
        return self.done[key]

    def _under(self, beam: int, length_penalty: float) -> tuple[Outcome, list[Judged]]:
        options = {"beam": beam, "length_penalty": length_penalty, "nbest": 1}
        answers = self.predictor.answers(self.texts, **options)
        judged: list[Judged] = []
        lengths = np.zeros(2, dtype=np.int64)
        for text, answer, given in zip(self.texts, answers, self._given(length_penalty), strict=True):
            verdict, reference = verdict_of(answer, given, unknown=self.unknown)
            score = None if verdict == "unknown" else reference.score
            judged.append(Judged(text, answer.text, answer.score, reference.text, score, verdict))
            lengths += len(answer.tokens), len(given[0].tokens) - 1
        counts = Counter(each.verdict for each in judged)
        scores = self.predictor.judge(
            [each.text for each in answers], [each.references for each in self.held_out]
        )
        if self.chief is None:  # of the run's own settings, which come first
            if self.metric not in scores:
                self.metric = next(iter(scores))
            self.chief = scores[self.metric]
        change = compare(scores[self.metric], self.chief)
        outcome = Outcome(
            beam,
            length_penalty,
            {verdict: counts[verdict] for verdict in get_args(Verdict)},
            float(np.mean([each.score for each in answers])),
            float(lengths[0] / max(1, lengths[1])),
            {name: score.value for name, score in scores.items()},
            (change.low, change.high),
        )
        return outcome, judged

    def _given(self, length_penalty: float) -> list[Sequence[GivenAnswer]]:
        """What the model thinks of each text's references."""
        if length_penalty not in self.given:
            pairs = [(each.text, reference) for each in self.held_out for reference in each.references]
            sources, targets = zip(*pairs, strict=True)
            scored = iter(self.predictor.score(sources, targets, length_penalty=length_penalty))
            self.given[length_penalty] = [[next(scored) for _ in each.references] for each in self.held_out]
        return self.given[length_penalty]
