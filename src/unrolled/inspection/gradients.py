"""How far back a loss reaches: the gradient of the loss at one step at the states and inputs before it.

The curve is that of Hochreiter (1991) and of Bengio, Simard & Frasconi (1994, "Learning Long-Term
Dependencies with Gradient Descent is Difficult"); connectivity is that of Madsen (2019, "Visualizing
memorization in RNNs", Distill).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from unrolled import drawing
from unrolled.errors import UserError
from unrolled.inspection.norms import TrainingNorms, training_norms
from unrolled.inspection.opened import check_length, placed, readable
from unrolled.inspection.view import Picture, Section, View, strings
from unrolled.nn import Passage, watching
from unrolled.runs.folder import RunFolder
from unrolled.tasks import Predictor
from unrolled.tasks.inside import Readable, Reading, Searching

STEPS = 8
"""Steps of each text whose loss is looked at, spread over its second half; each is a backward pass."""
SLIGHT = 0.001
"""Inputs at a text's ends that move an output less than this, beside the strongest, are left off a page."""


@dataclass(frozen=True, eq=False)
class Curve:
    """‖∂L⟨t⟩/∂a⟨t−k⟩‖ by the distance k, over all texts and steps t looked at.

    Attributes:
        name: whose hidden state a it is.
        median, low, high: the median and the quartiles, ``(distances,)`` from k = 0; NaN where there is none.
        count: how many norms each is of, ``(distances,)``.
    """

    name: str
    median: Float[ndarray, " distances"]
    low: Float[ndarray, " distances"]
    high: Float[ndarray, " distances"]
    count: Int[ndarray, " distances"]


@dataclass(frozen=True, eq=False)
class Connectivity:
    """What one output depends on: the norm of its loss's gradient at the vector of each input.

    Attributes:
        output: the output token.
        step: its place, from 0.
        separators: what stands between the tokens of each part.
        tokens, sizes: of each part of the model what it read, and the norms, ``(tokens,)``; zero where an
            input has no way to the output.
    """

    output: str
    step: int
    separators: dict[str, str]
    tokens: dict[str, list[str]]
    sizes: dict[str, Float[ndarray, " tokens"]]

    def coloured(self, part: str) -> dict[str, Any]:
        """What shows a part's tokens in the colours of their norms: arguments of
        :func:`unrolled.drawing.draw_tokens`.

        Of a long text only what matters: the rest is white, and what is dark would be far down the page.
        """
        tokens, sizes = self.tokens[part], self.sizes[part]
        finite = sizes[np.isfinite(sizes)]
        # What is not a number is what one looks for where gradients explode.
        weighty = np.flatnonzero(~(sizes < SLIGHT * finite.max(initial=0.0)))
        shown = slice(weighty[0], weighty[-1] + 1)
        return {
            "tokens": tokens[shown],
            "values": sizes[shown],
            "low": 0.0,
            "separator": self.separators[part],
        }


@dataclass(frozen=True, eq=False)
class Gradients(View):
    """Gradients by distance, of one output, and in training."""

    title: ClassVar[str] = "Gradients"
    curves: list[Curve]
    connectivity: Connectivity
    training: list[TrainingNorms]

    def as_dict(self) -> dict[str, Any]:
        return {
            "curves": [vars(each) for each in self.curves],
            "connectivity": vars(self.connectivity),
            "training": [each.as_dict() for each in self.training],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        for curve in self.curves:
            for name in ("median", "low", "high", "count"):
                found[f"curves/{curve.name}/{name}"] = getattr(curve, name)
        for part, tokens in self.connectivity.tokens.items():
            found[f"connectivity/{part}/tokens"] = strings(tokens)
            found[f"connectivity/{part}/sizes"] = self.connectivity.sizes[part]
        for each in self.training:
            for name in ("update", "norm"):
                found[f"training/{each.run}/{name}"] = getattr(each, name)
        return found

    def pictures(self) -> list[Picture]:
        output = f"{drawing.token_label(self.connectivity.output)} (step {self.connectivity.step})"
        connected = [
            Picture(
                f"What the output {output} depends on: {part or 'input'}",
                partial(drawing.draw_tokens, **self.connectivity.coloured(part)),
                f"gradient of the loss of {output} at each input{part and ' of the '}{part}",
            )
            for part in self.connectivity.tokens
        ]
        norms = [picture for each in self.training for picture in each.pictures()]
        return [draw_gradients(self.curves), *connected, *norms]

    def sections(self) -> list[Section]:
        output = drawing.token_label(self.connectivity.output)
        connected: list[str] = [
            f"The loss of the output {output} (step {self.connectivity.step}): the norm of its gradient at"
            " the vector of each input. The darker, the more the output would change with that input."
        ]
        for part, tokens in self.connectivity.tokens.items():
            coloured = self.connectivity.coloured(part)
            connected.append(drawing.tokens_markup(**coloured, label=part or "input"))
            if left_out := len(tokens) - len(coloured["tokens"]):
                connected.append(
                    f"Left out: {left_out:,} tokens at the ends that move it less than {SLIGHT:g} times as"
                    " much as the strongest."
                )
        rows: list[Sequence[drawing.Cell]] = [
            [curve.name, k, float(curve.median[k]), int(curve.count[k])]
            for curve in self.curves
            for k in sorted({0, 1, 2, 5, 10, 20, 50, 100, len(curve.median) - 1})
            if k < len(curve.median)
        ]
        sections = [
            Section(
                "How far back a loss reaches",
                [
                    "How much the loss at step t moves the hidden state k steps before: a line that falls"
                    " straight on this axis is a gradient that vanishes exponentially. The band holds the"
                    " middle half of all texts and steps, of which fewer reach a greater distance; where it"
                    " goes off the foot of the axis gradients are zero, too small for the numbers they are"
                    " computed with.",
                    draw_gradients(self.curves).markup,
                    drawing.details(
                        "As numbers", drawing.table(["state", "distance k", "median norm", "of"], rows)
                    ),
                ],
            ),
            Section("What one output depends on", connected),
        ]
        if self.training:
            blocks: list[str] = []
            for each in self.training:
                blocks += [each.summary, *(picture.markup for picture in each.pictures())]
            sections.append(Section("Gradients in training", blocks))
        return sections

    def lines(self) -> list[str]:
        found = [
            f"{curve.name}\tk={k}\t{curve.median[k]:.3e}"
            for curve in self.curves
            for k in sorted({0, 1, 2, 5, 10, 20, 50, 100, len(curve.median) - 1})
            if k < len(curve.median)
        ]
        return found + [each.summary for each in self.training]


def draw_gradients(curves: Sequence[Curve]) -> Picture:
    """The curves over one another, on a logarithmic axis."""
    series = [
        drawing.Series(each.name, np.arange(len(each.median)), each.median, each.low, each.high)
        for each in curves
    ]
    return Picture(
        "Gradient norm by distance, one line a state",
        partial(
            drawing.draw_curves,
            series,
            log_y=True,
            x_label="distance k (steps)",
            y_label="‖∂L⟨t⟩ / ∂a⟨t−k⟩‖",
        ),
    )


def gradients(
    predictors: Mapping[str, Predictor],
    texts: Sequence[str],
    answers: Sequence[str] | None = None,
    *,
    steps: int = STEPS,
    at: int | None = None,
) -> Gradients:
    """How far back the losses of one or several models reach on the same texts.

    Args:
        predictors: by the name their curves get.
        answers: of models that write, the first one's own unless given.
        steps: how many steps t of each text, spread over the second half of what it predicts.
        at: the one step t to look at instead, from 0; connectivity is of this output, else of the last.

    Raises:
        UserError: no text, a step that is not predicted.
    """
    if not texts:
        raise UserError("gradients: no text to look at")
    curves: list[Curve] = []
    training: list[TrainingNorms] = []
    connectivity: Connectivity | None = None
    for name, predictor in predictors.items():
        found = readable(predictor, "gradients")
        if answers is None and isinstance(found, Searching):
            answers = [each.text for each in found.answers(texts)]
        reading, log_probs, passages = _run(found, texts, answers)
        chosen = _chosen(reading, steps, at)
        own = [
            (path, passage)
            for path, part, passage in placed(found.models[0], reading, passages)
            if part == reading.part
        ]
        for (path, passage), norms in zip(
            own, state_gradients(log_probs, [p for _, p in own], chosen), strict=True
        ):
            way = "(reads backward)" if passage.reverse else ""
            label = " ".join(
                filter(None, [name if len(predictors) > 1 else "", path if len(own) > 1 else "", way])
            )
            # A cell that goes backward ends at the first step: from there a whole text's loss is reached.
            ends = np.minimum(chosen, 0) if passage.reverse and reading.whole else chosen
            lengths = [len(tokens) for tokens in reading.tokens[reading.part]] if passage.reverse else None
            curves.append(curve(label or path or name, norms, ends, backward=lengths))
        if connectivity is None:
            connectivity = _connect(found, reading, log_probs, passages, chosen)
        logged = training_norms(RunFolder(found.task.folder), name)
        training += [logged] if logged is not None else []
    assert connectivity is not None
    return Gradients(curves, connectivity, training)


def state_gradients(
    log_probs: Float[Tensor, "time batch"], passages: Sequence[Passage], chosen: Int[ndarray, "steps batch"]
) -> list[Float[ndarray, "steps time batch"]]:
    """Of each passage's cell ‖∂L⟨t⟩/∂a⟨s⟩‖ for every s; L⟨t⟩ = −log P of the token predicted at t.

    Args:
        log_probs: differentiable, made while the passages were watched with ``nudges``.
        chosen: the steps t, one a sequence at a time, −1 for none; one backward pass each.
    """
    norms: list[list[NDArray[np.float64]]] = [[] for _ in passages]
    for row in torch.from_numpy(chosen).to(log_probs.device):
        picked = log_probs.gather(0, row.clamp(min=0)[None])[0][row >= 0]
        found = torch.autograd.grad(
            -picked.sum(), [_nudges(p) for p in passages], retain_graph=True, allow_unused=True
        )
        for own, gradient, passage in zip(norms, found, passages, strict=True):
            whole = torch.zeros_like(_nudges(passage)) if gradient is None else gradient
            own.append(whole.double().norm(dim=-1).cpu().numpy())
    return [np.stack(own) for own in norms]


def curve(
    name: str,
    norms: Float[ndarray, "steps time batch"],
    chosen: Int[ndarray, "steps batch"],
    *,
    backward: Sequence[int] | None = None,
) -> Curve:
    """The norms by distance: k steps before t.

    Args:
        backward: each text's length, of a cell that goes backward: k steps after t.
    """
    samples: list[NDArray[np.float64]] = []
    for row, steps in enumerate(chosen):
        for column, step in enumerate(steps.tolist()):
            if step >= 0:
                own = norms[row, :, column]
                samples.append(own[step : backward[column]] if backward else own[: step + 1][::-1])
    longest = max(map(len, samples))
    table = np.full((len(samples), longest), np.nan)
    for row, sample in enumerate(samples):
        table[row, : len(sample)] = sample
    low, median, high = np.nanquantile(table, (0.25, 0.5, 0.75), axis=0)
    return Curve(name, median, low, high, (~np.isnan(table)).sum(axis=0))


def _run(
    predictor: Readable, texts: Sequence[str], answers: Sequence[str] | None
) -> tuple[Reading, Tensor, list[Passage]]:
    reading = predictor.read(texts, answers)
    check_length(reading, "gradients")
    with torch.enable_grad(), watching(nudges=True) as passages:
        log_probs = reading.run().log_probs
    return reading, log_probs, passages


def _chosen(reading: Reading, steps: int, at: int | None) -> Int[ndarray, "steps batch"]:
    """The steps to look at of each text, in order; −1 where it has fewer."""
    predicted = [[t for t, token in enumerate(each) if token] for each in reading.expected]
    if at is not None:
        if not any(at in each for each in predicted):
            last = max((each[-1] for each in predicted if each), default=-1)
            raise UserError(f"gradients: nothing is predicted at step {at}; the last step is {last}")
        return np.array([[at if at in each else -1 for each in predicted]])
    chosen = np.full((steps, len(predicted)), -1, dtype=np.int64)
    for column, each in enumerate(predicted):
        places = np.unique(np.linspace(len(each) // 2, len(each) - 1, steps).round().astype(int))
        chosen[steps - len(places) :, column] = [each[place] for place in places]
    return chosen[(chosen >= 0).any(axis=1)]


def _connect(
    predictor: Readable,
    reading: Reading,
    log_probs: Tensor,
    passages: Sequence[Passage],
    chosen: Int[ndarray, "steps batch"],
) -> Connectivity:
    """Of the last step looked at of the first text that has one."""
    column = int((chosen[-1] >= 0).argmax())
    step = int(chosen[-1, column])
    bottom: dict[str, Tensor] = {}
    for _, part, passage in placed(predictor.models[0], reading, passages):
        bottom.setdefault(part, passage.inputs)
    found = torch.autograd.grad(
        -log_probs[step, column], list(bottom.values()), retain_graph=True, allow_unused=True
    )
    tokens = {part: reading.tokens[part][column] for part in bottom}
    sizes: dict[str, NDArray[np.float64]] = {}
    for (part, inputs), gradient in zip(bottom.items(), found, strict=True):
        whole = torch.zeros_like(inputs) if gradient is None else gradient
        norms = whole[:, column].double().norm(dim=-1).cpu().numpy()
        sizes[part] = norms[: len(tokens[part])]
    return Connectivity(reading.expected[column][step], step, reading.separators, tokens, sizes)


def _nudges(passage: Passage) -> Tensor:
    assert passage.nudges is not None, "watch with nudges=True"
    return passage.nudges
