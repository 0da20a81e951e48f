"""Perplexity, its logarithm, and bits per character."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unrolled.errors import UserError
from unrolled.metrics.score import Score, signature
from unrolled.metrics.tally import Counts, Tally


def perplexity(
    negative_log_probs: ArrayLike | Sequence[float],
    counts: ArrayLike | Sequence[int],
    *,
    tokens: str = "token",
    over: str = "",
) -> Score:
    """exp(−Σ log P / n): among how many equally likely tokens the model would be as unsure.

    Args:
        negative_log_probs: −Σ log P in nats of each segment (a sentence, or a stretch of one stream),
            ``(segments,)``.
        counts: how many tokens each predicts, eos counted, ``(segments,)``.
        tokens: what a token is (``"word"``, ``"BPE"``); perplexities over different tokens do not compare.
        over: a digest of the vocabulary (:class:`Score`).

    Raises:
        UserError: no tokens, or not one count a segment.
    """
    tally = Tally(_statistics(negative_log_probs, counts), _perplexity)
    total = tally.total()
    return Score(
        "perplexity",
        float(_perplexity(total)),
        signature=signature("perplexity", per=tokens, eos="counted"),
        higher_is_better=False,
        details={"negative_log_prob": float(total[0]), "tokens": int(total[1])},
        tally=tally,
        over=over,
    )


def nats_per_token(
    negative_log_probs: ArrayLike | Sequence[float],
    counts: ArrayLike | Sequence[int],
    *,
    tokens: str = "token",
    over: str = "",
) -> Score:
    """−Σ log P / n, the logarithm of :func:`perplexity`, with the same arguments and errors."""
    tally = Tally(_statistics(negative_log_probs, counts), _nats)
    total = tally.total()
    return Score(
        "nats per token",
        float(_nats(total)),
        signature=signature("nats per token", per=tokens, eos="counted"),
        higher_is_better=False,
        details={"negative_log_prob": float(total[0]), "tokens": int(total[1])},
        tally=tally,
        over=over,
    )


def bits_per_character(
    negative_log_probs: ArrayLike | Sequence[float],
    characters: ArrayLike | Sequence[int],
    *,
    over: str = "",
) -> Score:
    """−Σ log₂ P over the number of characters; arguments as for :func:`perplexity`.

    Args:
        over: a digest of the vocabulary, where the segments are cut by its tokens.

    Raises:
        UserError: no characters, or not one count a segment.
    """
    tally = Tally(_statistics(negative_log_probs, characters), _bits)
    total = tally.total()
    return Score(
        "bits per character",
        float(_bits(total)),
        signature=signature("bits per character"),
        higher_is_better=False,
        details={"negative_log_prob": float(total[0]), "characters": int(total[1])},
        tally=tally,
        over=over,
    )


def _statistics(negative_log_probs: ArrayLike, counts: ArrayLike) -> Counts:
    losses, sizes = np.asarray(negative_log_probs, np.float64), np.asarray(counts, np.float64)
    if losses.ndim != 1 or losses.shape != sizes.shape:
        raise UserError(f"{losses.size} log-probabilities but {sizes.size} counts: one of each a segment")
    if sizes.sum() == 0:
        raise UserError("nothing to predict: the text has no tokens")
    # Segments that say nothing are left out: a draw of them alone would have no value.
    return np.stack([losses, sizes], axis=1)[(sizes > 0) | (losses != 0)]


def _nats(sums: Counts) -> Counts:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def _perplexity(sums: Counts) -> Counts:
    with np.errstate(over="ignore"):
        return np.exp(_nats(sums))


def _bits(sums: Counts) -> Counts:
    return _nats(sums) / math.log(2)
