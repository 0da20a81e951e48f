"""Beam search, batched: argmax over y of (1/Tyᵅ) Σ log P(y⟨t⟩ | x, y⟨<t⟩)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from unrolled.decoding.greedy import check_length_penalty, greedy
from unrolled.decoding.protocol import Decoder, Hypothesis, hypothesis
from unrolled.decoding.trace import BeamTrace
from unrolled.decoding.walk import Walk
from unrolled.errors import UserError


@torch.inference_mode()
def beam_search(
    decoder: Decoder,
    source: Any,
    *,
    beam: int = 3,
    length_penalty: float = 0.7,
    nbest: int = 1,
    min_length: int = 0,
    max_length: int | Sequence[int] | Int[Tensor, " batch"],
    bos: int | Int[Tensor, " batch"],
    eos: int,
    banned: Sequence[int] = (),
    trace: BeamTrace | None = None,
) -> list[list[Hypothesis]]:
    """The ``nbest`` hypotheses of each sentence, best first, ranked by Σ log P / Tyᵅ.

    Each step keeps the best extensions of a sentence, as many as its beam has places; those that end in eos
    leave the beam for good and take their place with them, so that a beam of 1 is greedy search. A sentence
    is done when its beam is empty, or when no open hypothesis can still enter its n-best: even were all its
    further tokens certain, Σ log P / T_maxᵅ would not exceed the n-th score. Equal sums go to the
    better-ranked parent, then to the lower id, whatever else is in the batch.

    Args:
        beam: B, hypotheses kept open for each sentence.
        length_penalty: α ≥ 0; 0 ranks by Σ log P, 1 by the mean.
        nbest: hypotheses to return, at most ``beam``; fewer come back when fewer exist.
        min_length, max_length: bounds on Ty, eos counted; the greatest may differ from sentence to sentence.
            At the last step only eos may follow.
        bos: what stands before the first token; one for all, or one a sentence.
        banned: ids that never follow. Their probability is not given to others.
        trace: filled with every expansion looked at.

    Raises:
        UserError: an option out of range.
        RunError: the decoder's log-probabilities are not numbers.
    """
    if beam < 1:
        raise UserError(f"beam {beam} is not possible: 1 (greedy) or more")
    if not 1 <= nbest <= beam:
        raise UserError(f"nbest {nbest} is not possible with beam {beam}: between 1 and the beam's size")
    check_length_penalty(length_penalty)
    options: dict[str, Any] = {
        "length_penalty": length_penalty,
        "min_length": min_length,
        "max_length": max_length,
        "bos": bos,
        "eos": eos,
        "banned": banned,
    }
    if beam == 1 and trace is None:
        return greedy(decoder, source, **options)
    return _search(decoder, source, beam=beam, nbest=nbest, trace=trace, **options)


@dataclass(frozen=True)
class _Step:
    """What one step kept, by place in the beam, each array ``(batch, beam)``."""

    parents: NDArray[np.int64]
    tokens: NDArray[np.int64]
    log_probs: NDArray[np.float64]
    scores: NDArray[np.float64]
    """Of the hypotheses that ended here, else −∞."""


def _search(
    decoder: Decoder,
    source: Any,
    *,
    beam: int,
    length_penalty: float,
    nbest: int,
    min_length: int,
    max_length: int | Sequence[int] | Int[Tensor, " batch"],
    bos: int | Int[Tensor, " batch"],
    eos: int,
    banned: Sequence[int],
    trace: BeamTrace | None,
) -> list[list[Hypothesis]]:
    # The decoder works on its device with one row a hypothesis that is open; which of them survive is decided
    # here, in NumPy, from the few candidates of each row: one copy a step, no rows of finished sentences.
    walk = Walk(decoder, source, min_length, max_length, bos, eos, banned)
    batch = walk.batch
    if trace is not None:
        trace.begin(batch)
    row = np.zeros((batch, beam), dtype=np.int64)
    row[:, 0] = np.arange(batch)
    sentence, place = np.arange(batch), np.zeros(batch, dtype=np.int64)
    totals = np.full((batch, beam), -np.inf)
    totals[:, 0] = 0.0
    left = np.full(batch, beam)
    best = np.full((batch, nbest), -np.inf)
    longest_power = walk.longest**length_penalty
    each = np.arange(batch)[:, None]
    steps: list[_Step] = []
    while len(sentence):
        log_probs, ids = walk.step(beam, sentence)
        k = ids.shape[1]
        grid = np.full((batch, beam, k), -np.inf)
        grid[sentence, place] = totals[sentence, place, None] + log_probs
        flat = grid.reshape(batch, beam * k)
        order = np.argsort(-flat, axis=1, kind="stable")[:, : None if trace else beam]
        totals = np.take_along_axis(flat, order, axis=1)
        parents = order // k
        rows = row[each, parents]
        tokens, log_probs = ids[rows, order % k], log_probs[rows, order % k]
        kept = (np.arange(order.shape[1]) < left[:, None]) & (totals > -np.inf)
        ended = kept & (tokens == eos)
        if trace is not None:
            trace.add(walk.steps, length_penalty, totals, log_probs, parents, tokens, kept, ended)
            totals, parents, rows, tokens = (
                totals[:, :beam],
                parents[:, :beam],
                rows[:, :beam],
                tokens[:, :beam],
            )
            log_probs, kept, ended = log_probs[:, :beam], kept[:, :beam], ended[:, :beam]
        scores = np.where(ended, totals / walk.steps**length_penalty, -np.inf)
        steps.append(_Step(parents, tokens, log_probs, scores))
        left -= ended.sum(axis=1)
        best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -nbest:]
        totals = np.where(kept & ~ended, totals, -np.inf)
        # No continuation can add to Σ log P, and none is longer than T_max.
        hopeless = totals.max(axis=1) / longest_power <= best[:, 0]
        totals[hopeless] = -np.inf
        sentence, place = np.nonzero(totals > -np.inf)
        walk.select(rows[sentence, place], tokens[sentence, place])
        row[:] = 0  # an empty place points at some row; its total of −∞ keeps it out
        row[sentence, place] = np.arange(len(sentence))
    return _read_back(steps, batch, beam, length_penalty, nbest, trace)


def _read_back(
    steps: list[_Step], batch: int, beam: int, length_penalty: float, nbest: int, trace: BeamTrace | None
) -> list[list[Hypothesis]]:
    """Follow the parents of each sentence's best hypotheses from eos to their first token."""
    if not steps:
        return [[] for _ in range(batch)]
    scores = np.stack([step.scores for step in steps], axis=1).reshape(batch, len(steps) * beam)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :nbest]
    last, place = order // beam, order % beam
    each = np.arange(batch)[:, None]
    found = np.take_along_axis(scores, order, axis=1) > -np.inf
    tokens = np.zeros((*order.shape, len(steps)), dtype=np.int64)
    log_probs = np.zeros(tokens.shape)
    slot = place
    for time in range(len(steps) - 1, -1, -1):
        step, reached = steps[time], last >= time
        tokens[:, :, time] = step.tokens[each, slot]
        log_probs[:, :, time] = step.log_probs[each, slot]
        slot = np.where(reached, step.parents[each, slot], slot)
    answers: list[list[Hypothesis]] = []
    for sentence in range(batch):
        hypotheses = []
        for rank in np.flatnonzero(found[sentence]):
            end = int(last[sentence, rank])
            if trace is not None:
                trace.win(sentence, end + 1, int(place[sentence, rank]))
            hypotheses.append(
                hypothesis(
                    tokens[sentence, rank, :end].tolist(),
                    log_probs[sentence, rank, : end + 1].tolist(),
                    length_penalty,
                )
            )
        answers.append(hypotheses)
    return answers
