"""The tree of a beam search: what was kept and cut, which path won, where the reference fell out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled import drawing
from unrolled.decoding import Expansion
from unrolled.inspection.opened import searching
from unrolled.inspection.view import Picture, Section, View, strings
from unrolled.tasks import Predictor
from unrolled.tasks.inside import Traced

CUT_SHOWN = 2
"""Expansions cut at a step that a picture shows; the data holds all."""


@dataclass(frozen=True)
class Node:
    """One expansion, as :class:`unrolled.decoding.Expansion`, its token as a person reads it."""

    step: int
    parent: int | None
    token: str
    log_prob: float
    total: float
    score: float
    fate: str


@dataclass(frozen=True)
class Reference:
    """What became of the reference in the search.

    Attributes:
        tokens: eos last.
        path: the nodes that spell it, as far as the search looked at them.
        fell_out: the step (from 1) whose expansion of it was not kept; None when it was found.
        rank: its place (from 1) among that step's expansions; None when it was not even among them.
    """

    tokens: list[str]
    path: list[int]
    fell_out: int | None
    rank: int | None

    @property
    def summary(self) -> str:
        """What became of it, in one sentence."""
        if self.fell_out is None:
            return "The reference was found by the search."
        token = drawing.token_label(self.tokens[self.fell_out - 1])
        place = f"it was in place {self.rank} there" if self.rank else "the search did not look at it there"
        return f"The reference fell out at step {self.fell_out}, at “{token}”: {place}."


@dataclass(frozen=True)
class Beam(View):
    """The tree of one text's search.

    Attributes:
        text: what was searched for an answer to.
        nodes: every expansion, by step and best first within it.
        winners: the nodes of each answer found, the best first.
    """

    title: ClassVar[str] = "Beam search"
    text: str
    length_penalty: float
    nodes: list[Node]
    winners: list[list[int]]
    reference: Reference | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def arrays(self) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {
            name: np.array([getattr(node, name) for node in self.nodes])
            for name in ("step", "log_prob", "total", "score")
        }
        found["token"] = strings([node.token for node in self.nodes])
        found["fate"] = strings([node.fate for node in self.nodes])
        found["parent"] = np.array([-1 if node.parent is None else node.parent for node in self.nodes])
        return found | {f"winner/{rank}": np.array(path) for rank, path in enumerate(self.winners)}

    def pictures(self) -> list[Picture]:
        nodes = self._drawn()
        return [
            Picture(
                f"The search for an answer to {self.text}: {len(nodes)} of {len(self.nodes)} expansions",
                partial(drawing.draw_tree, nodes),
                "Below each token: its log-probability, and the normalised score of what it ends",
            )
        ]

    def sections(self) -> list[Section]:
        rows: list[Sequence[drawing.Cell]] = [
            [index, n.step, n.parent, n.token, n.log_prob, n.total, n.score, n.fate]
            for index, n in enumerate(self.nodes)
        ]
        header = [
            "number",
            "step",
            "after",
            "token",
            "log P",
            "Σ log P",
            f"score (α = {self.length_penalty:g})",
        ]
        blocks: list[str] = [f"The search for an answer to: {self.text}"]
        if self.reference is not None:
            blocks.append(self.reference.summary)
        blocks += [
            *(picture.markup for picture in self.pictures()),
            drawing.details("Every expansion", drawing.table([*header, "fate"], rows)),
        ]
        return [Section(self.title, blocks)]

    def lines(self) -> list[str]:
        found = []
        for path in self.winners:
            last = self.nodes[path[-1]]
            spelled = " ".join(drawing.token_label(self.nodes[index].token) for index in path)
            found.append(f"{last.score:.4f}\t{last.total:.4f}\t{spelled}")
        return found + ([self.reference.summary] if self.reference is not None else [])

    def _drawn(self) -> list[drawing.Node]:
        """What was kept, and the likeliest that was cut at each step."""
        won = set(self.winners[0]) if self.winners else set()
        given = set(self.reference.path) if self.reference is not None else set()
        cut: dict[int, int] = {}
        place: dict[int, int] = {}
        drawn: list[drawing.Node] = []
        for index, node in enumerate(self.nodes):
            if node.fate == "cut" and index not in given:
                cut[node.step] = cut.get(node.step, 0) + 1
                if cut[node.step] > CUT_SHOWN:
                    continue
            standing: drawing.Standing = (
                "won"
                if index in won
                else "reference"
                if index in given and node.fate == "cut"
                else "cut"
                if node.fate == "cut"
                else "kept"
            )
            place[index] = len(drawn)
            parent = None if node.parent is None else place[node.parent]
            note = f"{node.log_prob:.2f}  {node.score:.2f}"
            drawn.append(drawing.Node(node.token, parent, standing, note))
        return drawn


def beam(predictor: Predictor, text: str, reference: str | None = None, **options: Any) -> Beam:
    """The search for the answer to one text; ``options`` are those of ``[decoding]``.

    Raises:
        UserError: a task without a search, an empty text, or an option out of range.
    """
    traced = searching(predictor, "beam").trace(text, reference, **options)
    expansions = traced.trace.sentences[0]
    return Beam(
        text,
        traced.length_penalty,
        [Node(**{**vars(each), "token": traced.names[each.token]}) for each in expansions],
        traced.trace.winners[0],
        None if traced.reference is None else _follow(expansions, traced, traced.reference),
    )


def _follow(expansions: Sequence[Expansion], traced: Traced, reference: Sequence[int]) -> Reference:
    """Follow the reference through the tree as far as it goes."""
    names = [traced.names[token] for token in reference]
    path: list[int] = []
    for step, token in enumerate(reference, 1):
        here = [index for index, each in enumerate(expansions) if each.step == step]
        parent = path[-1] if path else None
        found = next(
            (i for i in here if (expansions[i].parent, expansions[i].token) == (parent, token)), None
        )
        if found is None:
            return Reference(names, path, step, None)
        path.append(found)
        if expansions[found].fate == "cut":
            return Reference(names, path, step, here.index(found) + 1)
    return Reference(names, path, None, None)
