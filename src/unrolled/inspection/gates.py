"""Gates and states over a text: which unit tracks what, and which gates stand open or shut.

After Karpathy, Johnson & Fei-Fei (2016, "Visualizing and Understanding Recurrent Networks", section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import nn

from unrolled import drawing
from unrolled.errors import UserError
from unrolled.inspection.features import correlations, features
from unrolled.inspection.opened import check_length, placed, readable
from unrolled.inspection.view import Picture, Section, View, named, strings
from unrolled.nn import Passage, watching
from unrolled.tasks import Predictor
from unrolled.tasks.inside import Reading

HIDDEN, ATTENTION = "hidden", "attention"
SHUT, OPEN = 0.1, 0.9
"""A gate below the one is shut, above the other open (Karpathy, Johnson & Fei-Fei 2016, section 4.2)."""
BEST = 5
"""Units told of for each feature."""
STEPS, UNITS = 120, 24
"""What a heat map shows at most: more cannot be read."""
COLOURED = 2000
"""Tokens that are drawn in a unit's colours, at most."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One gate or state of one cell over the tokens that it read.

    Attributes:
        cell: the cell's path in the model, ``"encoder.layers.cells.0"``.
        name: ``"update"``, ``"forget"``, ``"cell"``, ``"hidden"``, …
        texts: what was read at each step of each text, one text after another.
        separator: what stands between tokens.
        values: ``(steps, units)``.
    """

    cell: str
    name: str
    texts: list[list[str]]
    separator: str
    values: Float[ndarray, "steps units"]

    @property
    def tokens(self) -> list[str]:
        """Of all texts, ``(steps,)``."""
        return [token for text in self.texts for token in text]

    @property
    def is_gate(self) -> bool:
        """Whether it can stand open or shut: no value is outside 0 to 1."""
        return self.name != HIDDEN and bool(((self.values >= 0) & (self.values <= 1)).all())

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The values at the ends of its colours: a gate's range, else what the data has."""
        return (0.0, 1.0) if self.is_gate else (None, None)

    @property
    def colours(self) -> drawing.Map:
        """White to dark for a gate; to either side of zero for a state."""
        return "sequential" if self.is_gate else "diverging"

    def coloured(self, unit: int) -> dict[str, Any]:
        """Arguments of :func:`unrolled.drawing.draw_tokens`, in the colours of a unit."""
        low, high = self.ends
        return {
            "tokens": self.tokens[:COLOURED],
            "values": self.values[:COLOURED, unit],
            "low": low,
            "high": high,
            "kind": self.colours,
            "separator": self.separator,
            "starts": set(np.cumsum([len(text) for text in self.texts]).tolist()),
        }

    @property
    def is_state(self) -> bool:
        """Whether it is what the cell carries on."""
        return self.name in ("cell", HIDDEN)


@dataclass(frozen=True)
class Saturation:
    """How often a gate was shut (below 0.1) or open (above 0.9): shares of all its values, 0 to 1."""

    cell: str
    gate: str
    shut: float
    open: float


@dataclass(frozen=True)
class Tracker:
    """A unit that tracks a feature of the text: Pearson's correlation over all tokens."""

    feature: str
    cell: str
    name: str
    unit: int
    correlation: float


@dataclass(frozen=True)
class Unit:
    """A unit of a trace, to be shown as the colour of the text."""

    cell: str
    name: str
    unit: int
    why: str = ""


@dataclass(frozen=True, eq=False)
class Gates(View):
    """Every gate and state over the texts.

    Attributes:
        traces: by cell, then as the cell notes them.
        saturation: of each gate.
        trackers: for each feature the units that follow it best, the best first.
        shown: the units that pictures and pages colour the text by.
    """

    title: ClassVar[str] = "Gates and states"
    traces: list[Trace]
    saturation: list[Saturation]
    trackers: list[Tracker]
    shown: list[Unit]

    def trace(self, cell: str, name: str) -> Trace:
        """The trace of that name.

        Raises:
            UserError: there is none; the known ones are listed.
        """
        named(cell, list(dict.fromkeys(each.cell for each in self.traces)), "cell")
        own = {each.name: each for each in self.traces if each.cell == cell}
        return own[named(name, list(own), f"gate or state of {cell}")]

    def as_dict(self) -> dict[str, Any]:
        """All but the traces in full, which :meth:`arrays` has: of them the units shown alone."""
        shown = [
            {
                **asdict(each),
                "tokens": (trace := self.trace(each.cell, each.name)).tokens,
                "values": trace.values[:, each.unit],
            }
            for each in self.shown
        ]
        return {
            "traces": [
                {"cell": t.cell, "name": t.name, "steps": len(t.values), "units": t.values.shape[1]}
                for t in self.traces
            ],
            "saturation": [asdict(each) for each in self.saturation],
            "trackers": [asdict(each) for each in self.trackers],
            "shown": shown,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {f"{t.cell}/tokens": strings(t.tokens) for t in self.traces}
        return found | {f"{t.cell}/{t.name}": t.values for t in self.traces}

    def pictures(self) -> list[Picture]:
        return [self._coloured(each) for each in self.shown]

    def sections(self) -> list[Section]:
        coloured: list[str] = []
        for each in self.shown:
            trace = self.trace(each.cell, each.name)
            block = drawing.tokens_markup(**trace.coloured(each.unit), label=_label(each))
            coloured += [each.why or "The unit asked for.", block]
        trackers: list[Sequence[drawing.Cell]] = [
            [t.feature, t.cell, t.name, t.unit, t.correlation] for t in self.trackers
        ]
        saturation: list[Sequence[drawing.Cell]] = [[s.cell, s.gate, s.shut, s.open] for s in self.saturation]
        return [
            Section("The text as units see it", coloured),
            Section(
                "Units that track something simple",
                [
                    "Pearson's correlation of a unit's state with a feature of the text, over all tokens.",
                    drawing.table(["feature", "cell", "state", "unit", "correlation"], trackers),
                ]
                if trackers
                else ["The text has none of the features (quotes, brackets, lines, capitals)."],
            ),
            Section(
                "Gates that stand open or shut",
                [
                    f"The share of a gate's values below {SHUT} (shut) and above {OPEN} (open). A forget gate"
                    " that is mostly open remembers.",
                    drawing.table(["cell", "gate", "shut", "open"], saturation),
                ]
                if saturation
                else ["These cells have no gates."],
            ),
            Section("Gates over time", [each.markup for each in self._heat_maps()]),
        ]

    def lines(self) -> list[str]:
        found = [
            f"{t.feature}\t{t.cell} {t.name} unit {t.unit}\tcorrelation {t.correlation:+.3f}"
            for t in self.trackers
        ]
        return found + [
            f"{s.cell} {s.gate}\tshut (< {SHUT}) {s.shut:.1%}\topen (> {OPEN}) {s.open:.1%}"
            for s in self.saturation
        ]

    def _coloured(self, unit: Unit) -> Picture:
        trace = self.trace(unit.cell, unit.name)
        return Picture(
            f"The text coloured by {_label(unit)}",
            partial(drawing.draw_tokens, **trace.coloured(unit.unit)),
            f"{_label(unit)}{': ' if unit.why else ''}{unit.why}",
        )

    def _heat_maps(self) -> Iterator[Picture]:
        """Each gate of the first cell shown: its first steps, of the units that move most."""
        for trace in self.traces:
            if trace.cell != self.shown[0].cell:
                continue
            steps = trace.values[:STEPS]
            units = np.sort(np.argsort(-steps.var(axis=0), kind="stable")[:UNITS])
            low, high = trace.ends
            of = f"{trace.cell} {trace.name}"
            yield Picture(
                f"{of} over {len(steps)} tokens",
                partial(
                    drawing.draw_heatmap,
                    steps[:, units].T,
                    [str(unit) for unit in units],
                    [drawing.token_label(token) for token in trace.tokens[:STEPS]],
                    kind=trace.colours,
                    low=low,
                    high=high,
                    bar_label=trace.name,
                ),
                f"{of}: the {len(units)} units that move most, over the first {len(steps)} tokens",
            )


def gates(
    predictor: Predictor,
    texts: Sequence[str],
    answers: Sequence[str] | None = None,
    *,
    cell: str | None = None,
    name: str | None = None,
    unit: int | None = None,
) -> Gates:
    """Every gate and state while the model reads texts (and, where it writes, the answers to them).

    Args:
        answers: the model's own unless given.
        cell, name, unit: which unit to show; those that track a feature best unless given. A cell or a name
            that is left out is the first that fits.

    Raises:
        UserError: no text, or more than can be kept; a cell, gate or unit that is not there, with those that
            are.
    """
    found = readable(predictor, "gates")
    if not texts:
        raise UserError("gates: no text to look at")
    reading = found.read(texts, answers)
    check_length(reading, "gates")
    with torch.inference_mode(), watching(gates=True) as passages:
        reading.run()
    traces = list(_traces(found.models[0], reading, passages))
    trackers = _trackers(traces)
    view = Gates(
        traces,
        [
            Saturation(t.cell, t.name, float((t.values < SHUT).mean()), float((t.values > OPEN).mean()))
            for t in traces
            if t.is_gate
        ],
        trackers,
        [],
    )
    asked = (cell, name, unit) != (None, None, None)
    shown = [_asked(view, cell, name, unit)] if asked else _best(traces, trackers)
    return replace(view, shown=shown)


def _traces(model: nn.Module, reading: Reading, passages: Sequence[Passage]) -> Iterator[Trace]:
    for path, part, passage in placed(model, reading, passages):
        columns = reading.tokens[part]
        for noted, value in {HIDDEN: passage.output, **passage.record}.items():
            inner, _, name = noted.rpartition(".")
            if name == ATTENTION:
                continue
            whole = value.float().cpu().numpy()
            values = np.concatenate([whole[: len(column), i] for i, column in enumerate(columns)])
            yield Trace(f"{path}.{inner}" if inner else path, name, columns, reading.separators[part], values)


def _trackers(traces: Sequence[Trace]) -> list[Tracker]:
    scored: dict[str, list[Tracker]] = {}
    for trace in traces:
        if not trace.is_state:
            continue
        for feature, values in features(trace.texts).items():
            found = correlations(trace.values, values)
            scored.setdefault(feature, []).extend(
                Tracker(feature, trace.cell, trace.name, int(unit), float(found[unit]))
                for unit in np.argsort(-abs(found), kind="stable")[:BEST]
            )
    best = (sorted(each, key=lambda t: -abs(t.correlation))[:BEST] for each in scored.values())
    return [tracker for each in best for tracker in each]


def _best(traces: Sequence[Trace], trackers: Sequence[Tracker]) -> list[Unit]:
    """The best unit of each feature; where the text has no features, the state's unit that moves most."""
    first = {tracker.feature: tracker for tracker in reversed(trackers)}
    if first:
        return [
            Unit(t.cell, t.name, t.unit, f"{t.feature}, correlation {t.correlation:+.2f}")
            for t in reversed(first.values())
        ]
    state = next(trace for trace in traces if trace.is_state)
    return [Unit(state.cell, state.name, int(state.values.var(axis=0).argmax()), "the unit that moves most")]


def _asked(view: Gates, cell: str | None, name: str | None, unit: int | None) -> Unit:
    fits = [
        each
        for each in view.traces
        if cell in (None, each.cell) and (name == each.name if name else each.is_state)
    ]
    trace = next(iter(fits), None) or view.trace(
        cell or next(each.cell for each in view.traces), name or HIDDEN
    )
    units = trace.values.shape[1]
    if unit is None:
        unit = int(trace.values.var(axis=0).argmax())
    if not 0 <= unit < units:
        raise UserError(f"no unit {unit}: {trace.cell} {trace.name} has units 0 to {units - 1}")
    return Unit(trace.cell, trace.name, unit)


def _label(unit: Unit) -> str:
    return f"{unit.cell} {unit.name} unit {unit.unit}"
