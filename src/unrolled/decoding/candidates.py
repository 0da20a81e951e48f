"""The likeliest next tokens of every row: one step of the decoder, the forbidden taken out."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.decoding.protocol import Decoder, State, StepTop
from unrolled.kernels.top import top


class Candidates(NamedTuple):
    """The next state, and each row's k best tokens in descending order; what may not follow is −∞."""

    state: State
    log_probs: Float[Tensor, "rows k"]
    ids: Int[Tensor, "rows k"]


def extend(
    decoder: Decoder,
    state: State,
    tokens: Int[Tensor, " rows"],
    k: int,
    forbidden: Int[Tensor, " forbidden"],
) -> Candidates:
    """Step the decoder; each row's ``k`` best tokens that are not ``forbidden`` (nothing is renormalised)."""
    # Asking for as many more as are forbidden leaves k that are not, without a pass over the vocabulary.
    wanted = k + forbidden.numel()
    if hasattr(decoder, "step_top"):  # isinstance of a protocol takes a tenth of a small step
        state, log_probs, ids = cast("StepTop", decoder).step_top(state, tokens, wanted)
    else:
        state, all_log_probs = decoder.step(state, tokens)
        log_probs, ids = top(all_log_probs, wanted)
    return Candidates(state, *_allowed(log_probs, ids, k, forbidden))


def extend_or_end(
    decoder: Decoder,
    state: State,
    tokens: Int[Tensor, " rows"],
    k: int,
    forbidden: Int[Tensor, " forbidden"],
    last: Tensor,
    eos: int,
) -> Candidates:
    """:func:`extend` where rows marked in ``last`` (bool, ``(rows,)``) may be followed by eos alone.

    The others go on as if these were not there: what a sentence is given must not depend on its batch.
    """
    rows = last.nonzero().squeeze(1)
    if hasattr(decoder, "step_top"):
        after, log_probs, ids = extend(decoder, state, tokens, k, forbidden)
        ends = decoder.step(decoder.select(state, rows), tokens[rows])[1][:, eos]
    else:
        after, all_log_probs = decoder.step(state, tokens)
        log_probs, ids = _allowed(*top(all_log_probs, k + forbidden.numel()), k, forbidden)
        ends = all_log_probs[rows, eos]
    log_probs, ids = log_probs.masked_fill(last[:, None], -torch.inf), ids.clone()
    log_probs[rows, 0], ids[rows, 0] = ends, eos
    return Candidates(after, log_probs, ids)


def _allowed(
    log_probs: Float[Tensor, "rows n"],
    ids: Int[Tensor, "rows n"],
    k: int,
    forbidden: Int[Tensor, " forbidden"],
) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    if not forbidden.numel():
        return log_probs, ids
    if not (ids[:, :k, None] == forbidden).any():  # as mostly
        return log_probs[:, :k], ids[:, :k]
    barred = (ids[:, :, None] == forbidden).any(dim=-1)
    order = barred.to(torch.int8).argsort(dim=-1, stable=True)[:, :k]
    return log_probs.masked_fill(barred, -torch.inf).gather(1, order), ids.gather(1, order)
