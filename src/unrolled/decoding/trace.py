"""What a beam search looked at: every expansion, kept or cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Fate = Literal["open", "finished", "cut"]


@dataclass(frozen=True)
class Expansion:
    """One token put after one open hypothesis.

    Attributes:
        step: from 1; the length of the hypothesis it makes.
        parent: index, in the sentence's list, of the expansion it follows; ``None`` at the first step.
        token: its id.
        log_prob: of the token.
        total: Σ log P of the hypothesis it makes.
        score: the total over stepᵅ.
        fate: ``"open"``: kept, to be extended; ``"finished"``: kept and ended by eos; ``"cut"``.
    """

    step: int
    parent: int | None
    token: int
    log_prob: float
    total: float
    score: float
    fate: Fate


@dataclass
class BeamTrace:
    """Filled by :func:`unrolled.decoding.beam_search`: a tree a sentence.

    Attributes:
        sentences: the expansions of each sentence, by step, best first within a step.
        winners: the indices from the first token to the eos of each returned hypothesis, best first.
    """

    sentences: list[list[Expansion]] = field(default_factory=list)
    winners: list[list[list[int]]] = field(default_factory=list)
    _places: list[list[int | None]] = field(default_factory=list, repr=False)
    _history: list[list[list[int | None]]] = field(default_factory=list, repr=False)

    def begin(self, sentences: int) -> None:
        """Forget everything and make room for a batch."""
        self.sentences = [[] for _ in range(sentences)]
        self.winners = [[] for _ in range(sentences)]
        self._places = [[None] for _ in range(sentences)]
        self._history = [[] for _ in range(sentences)]

    def add(
        self,
        step: int,
        length_penalty: float,
        totals: NDArray[np.float64],
        log_probs: NDArray[np.float64],
        parents: NDArray[np.int64],
        tokens: NDArray[np.int64],
        kept: NDArray[np.bool_],
        ended: NDArray[np.bool_],
    ) -> None:
        """One step's candidates, ``(batch, candidates)``, best first; a total of −∞ stands for none."""
        for sentence in np.flatnonzero(totals.max(axis=1) > -np.inf).tolist():
            nodes, above = self.sentences[sentence], self._places[sentence]
            places: list[int | None] = []
            columns = (
                array[sentence].tolist() for array in (totals, log_probs, parents, tokens, kept, ended)
            )
            for total, log_prob, parent, token, stays, ends in zip(*columns, strict=True):
                if total == -np.inf:
                    break
                fate: Fate = "cut" if not stays else "finished" if ends else "open"
                if stays:
                    places.append(len(nodes))
                score = total / step**length_penalty
                nodes.append(Expansion(step, above[parent], token, log_prob, total, score, fate))
            self._places[sentence] = places
            self._history[sentence].append(places)

    def win(self, sentence: int, step: int, place: int) -> None:
        """The hypothesis that ended at ``step`` (from 1) in ``place`` is the sentence's next best."""
        path: list[int] = []
        node = self._history[sentence][step - 1][place]
        while node is not None:
            path.append(node)
            node = self.sentences[sentence][node].parent
        self.winners[sentence].append(path[::-1])
