"""Greedy search: the likeliest token, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.decoding.protocol import Decoder, Hypothesis, hypothesis
from unrolled.decoding.walk import Walk
from unrolled.errors import UserError

GREATEST_PENALTY = 50
"""α up to which Tyᵅ of a million tokens is a number still."""


@torch.inference_mode()
def greedy(
    decoder: Decoder,
    source: Any,
    *,
    length_penalty: float = 0.7,
    min_length: int = 0,
    max_length: int | Sequence[int] | Int[Tensor, " batch"],
    bos: int | Int[Tensor, " batch"],
    eos: int,
    banned: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """What :func:`unrolled.decoding.beam_search` answers with a beam of 1, without its bookkeeping.

    Each sentence's list holds one hypothesis, or none where every token that may follow is impossible.

    Raises:
        UserError: an option out of range.
        RunError: the decoder's log-probabilities are not numbers.
    """
    check_length_penalty(length_penalty)
    walk = Walk(decoder, source, min_length, max_length, bos, eos, banned)
    tokens: list[list[int]] = [[] for _ in range(walk.batch)]
    log_probs: list[list[float]] = [[] for _ in range(walk.batch)]
    ended = np.zeros(walk.batch, dtype=bool)
    sentence = np.arange(walk.batch)
    while len(sentence):
        best, ids = walk.likeliest(sentence)
        open_rows = []
        for row, index in enumerate(sentence.tolist()):
            for log_prob, token in zip(best[:, row].tolist(), ids[:, row].tolist(), strict=True):
                if log_prob == -np.inf:
                    break
                tokens[index].append(token)
                log_probs[index].append(log_prob)
                if token == eos:
                    ended[index] = True
                    break
            else:
                open_rows.append(row)
        rows = np.array(open_rows, dtype=np.int64)
        sentence = sentence[rows]
        walk.select(rows, ids[-1, rows])
    return [
        [hypothesis(tokens[index][:-1], log_probs[index], length_penalty)] if ended[index] else []
        for index in range(walk.batch)
    ]


def check_length_penalty(length_penalty: float) -> None:
    """Refuse what cannot normalise a score.

    Raises:
        UserError: a length penalty below 0, not a number, or so great that Tyᵅ would be none.
    """
    if not 0 <= length_penalty <= GREATEST_PENALTY:
        raise UserError(f"length_penalty {length_penalty} is not possible: 0 to {GREATEST_PENALTY}")
