"""What a model must offer to be searched, and what a search answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError, counted

State = Any
"""A decoder's state: one row a hypothesis. Only the decoder that made it looks inside."""


class Decoder(Protocol):
    """A model that scores the next token, many hypotheses (rows) at a time.

    Tokens and rows are given on ``decoder.device`` if there is such an attribute, on the device of its
    parameters if it is a ``torch.nn.Module``, else on the CPU. A state may have an attribute ``rows``, the
    number of its rows; a search needs it only when it is not given an option one a sentence.

    A decoder may also offer ``step_top(state, tokens, k) -> (state, log_probs (rows, k), ids (rows, k))``:
    the k best of :meth:`step` (the whole vocabulary, when that is smaller) in descending order, ties to the
    lower id. It need not compute the rest.

    And ``draw(state, tokens, uniform (steps, rows), drawing) -> (state, log_probs (made, rows), ids (made,
    rows))``: so many times a :meth:`step` and a draw by :class:`unrolled.decoding.Sampling`, each fed to the
    next. The state is that before the last ids are fed. Fewer steps are made when every row has drawn eos,
    and when one can draw nothing: its id is −1 then, its log-probability −∞, or not a number where the
    model's are none.
    """

    def start(self, source: Any) -> State:
        """The state before the first token: one row a sentence of ``source``."""

    def step(
        self, state: State, tokens: Int[Tensor, " rows"]
    ) -> tuple[State, Float[Tensor, "rows vocabulary"]]:
        """Feed each row its last token; the log-probabilities of the next. The given state stays valid."""

    def select(self, state: State, rows: Int[Tensor, " n"]) -> State:
        """The state of some rows, in the order given, possibly repeated.

        What is constant over time (attention memory) is indexed by sentence, never copied per hypothesis.
        """


class StepTop(Protocol):
    """The optional fused step of a :class:`Decoder`."""

    def step_top(
        self, state: State, tokens: Int[Tensor, " rows"], k: int
    ) -> tuple[State, Float[Tensor, "rows k"], Int[Tensor, "rows k"]]: ...


def device_of(decoder: Decoder) -> torch.device:
    """Where a decoder wants its tokens."""
    device = getattr(decoder, "device", None)
    if device is None and isinstance(decoder, nn.Module):
        device = next((parameter.device for parameter in decoder.parameters()), None)
    return torch.device(device if device is not None else "cpu")


def sentences_of(state: State, **options: Any) -> int:
    """How many sentences a search begins with: the rows of its first state, or the entries of an option.

    Args:
        options: by name what may be one for all or one a sentence.

    Raises:
        UserError: an option has an entry too many or too few, and would tell of rows that are not there.
        TypeError: neither the state nor an option tells.
    """
    entries = {name: len(given) for name, given in options.items() if np.ndim(given)}
    rows = getattr(state, "rows", next(iter(entries.values()), None))
    if rows is None:
        raise TypeError("max_length needs an entry a sentence: this decoder's state does not tell its rows")
    for name, count in entries.items():
        if count != rows:
            raise UserError(
                f"{name} has {count} entries for {counted(rows, 'sentence')}: one for all, or one each"
            )
    return int(rows)


@dataclass(frozen=True)
class Hypothesis:
    """One output of a search.

    Attributes:
        tokens: ids, without bos or eos.
        score: Σ log P / Tyᵅ, by which hypotheses are ranked; Ty counts eos.
        log_prob: Σ log P in nats, eos included.
        token_log_probs: log P of each token, that of eos last; one longer than ``tokens`` when eos ended it.
    """

    tokens: list[int]
    score: float
    log_prob: float
    token_log_probs: list[float]


def hypothesis(tokens: list[int], token_log_probs: list[float], length_penalty: float) -> Hypothesis:
    """A finished hypothesis from its tokens and their log-probabilities, that of eos last."""
    log_prob = sum(token_log_probs)
    score = log_prob / len(token_log_probs) ** length_penalty
    return Hypothesis(tokens, score, log_prob, token_log_probs)
