"""BLEU (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from unrolled.errors import UserError, nearest
from unrolled.metrics import ngrams, segments
from unrolled.metrics.ngrams import ORDER, Tokenization
from unrolled.metrics.score import Score, reference_count, signature
from unrolled.metrics.tally import Counts, Tally

Smoothing = Literal["exp", "none"]


class Bleu(Score):
    """A BLEU score and its parts. ``score`` and ``precisions`` are on a scale of 0 to 100, as sacreBLEU's."""

    @property
    def score(self) -> float:
        return self.value

    @property
    def precisions(self) -> list[float]:
        """p₁ … p₄ in percent, after smoothing: 500/7 where five of seven words match."""
        return list(self.details["precisions"])

    @property
    def correct(self) -> list[int]:
        """Clipped matches of each order: the numerators of the precisions."""
        return list(self.details["correct"])

    @property
    def total(self) -> list[int]:
        """N-grams of each order in the hypotheses: the denominators of the precisions."""
        return list(self.details["total"])

    @property
    def brevity_penalty(self) -> float:
        """exp(1 − r/c) when the hypotheses (c tokens) are shorter than the references (r), else 1."""
        return float(self.details["brevity_penalty"])

    @property
    def hypothesis_length(self) -> int:
        return int(self.details["hypothesis_length"])

    @property
    def reference_length(self) -> int:
        """Tokens of the references closest in length, a tie going to the shorter."""
        return int(self.details["reference_length"])


def bleu(
    hypotheses: Sequence[str],
    references: segments.References,
    tokenize: Tokenization = "13a",
    lowercase: bool = False,
    smooth: Smoothing = "exp",
    effective_order: bool | None = None,
    order: int = ORDER,
    threads: int | None = None,
) -> Bleu:
    """BLEU = BP · exp(¼ Σ log pₙ) of a corpus, equal to sacreBLEU's with the same options.

    Args:
        hypotheses: one string a segment.
        references: ``references[i]`` lists the references of segment ``i``.
        tokenize: ``"13a"`` for detokenized text, ``"none"`` for text whose tokens stand between spaces.
        lowercase: compare without case.
        smooth: ``"exp"``: the k-th order without a match counts as 1/2ᵏ of a match (NIST; method 3 of Chen
            and Cherry 2014); ``"none"``.
        effective_order: average only the orders that the hypothesis is long enough for. Left out, it is done
            for a single segment and not for a corpus.
        order: the longest n-grams counted: BLEU-n = BP · exp(1/n Σ log pₙ).
        threads: to count on; left out, as many as PyTorch has where it is loaded, else one a processor.

    Raises:
        UserError: no segments, unequal numbers of them, a segment without reference, an unknown option.
    """
    if not 1 <= order <= ORDER:
        raise UserError(f"order {order} is not possible: 1 to {ORDER}")
    for option, given, known in (
        ("tokenize", tokenize, get_args(Tokenization)),
        ("smooth", smooth, get_args(Smoothing)),
    ):
        if given not in known:
            raise UserError(f"{option} {given!r} is not known: {nearest(str(given), known)}")
    segments.check(hypotheses, references)
    if effective_order is None:
        effective_order = len(hypotheses) == 1

    def value(sums: Counts) -> Counts:
        return score_of(sums, smooth, effective_order, order)[0]

    tally = Tally(count(hypotheses, references, tokenize, lowercase, threads), value)
    sums = tally.total()
    score, precisions, penalty = score_of(sums, smooth, effective_order, order)
    whole: list[int] = sums.astype(int).tolist()
    return Bleu(
        "BLEU" if order == ORDER else f"BLEU-{order}",
        float(score),
        signature=signature(
            "BLEU",
            nrefs=reference_count(references),
            case="lc" if lowercase else "mixed",
            eff=effective_order,
            tok=tokenize,
            smooth=smooth,
            **({} if order == ORDER else {"order": order}),
        ),
        details={
            "precisions": precisions.tolist(),
            "brevity_penalty": float(penalty),
            "hypothesis_length": whole[0],
            "reference_length": whole[1],
            "correct": whole[2 : 2 + order],
            "total": whole[2 + ORDER : 2 + ORDER + order],
        },
        tally=tally,
    )


def score_of(
    sums: Counts, smooth: Smoothing, effective_order: bool, order: int = ORDER
) -> tuple[Counts, Counts, Counts]:
    """Scores ``(…)``, precisions ``(…, order)``, brevity penalties ``(…)`` of sums ``(…, 10)``."""
    sums = np.asarray(sums)
    length, reference = sums[..., 0], sums[..., 1]
    correct, total = (sums[..., first : first + order] for first in (2, 2 + ORDER))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        penalty = np.where(length < reference, np.exp(1.0 - reference / length), 1.0)
        exists = np.cumprod(total > 0, axis=-1, dtype=bool)
        missed = exists & (correct == 0)
        # The k-th order without a match, where the hypothesis has n-grams of it, counts as 1/2ᵏ of one.
        matches = np.where(missed & (smooth == "exp"), 0.5 ** np.cumsum(missed, axis=-1), correct)
        matched: Counts = np.any(correct > 0, axis=-1, keepdims=True)
        precisions = np.where(exists & matched, 100.0 * matches / total, 0.0)
        logs = np.log(precisions)
        if effective_order:
            orders = np.maximum(exists.sum(axis=-1), 1)
            mean = np.where(exists, logs, 0.0).sum(axis=-1) / orders
        else:
            mean = logs.sum(axis=-1) / order
        score = penalty * np.where(matched[..., 0], np.exp(mean), 0.0)
    return score, precisions, penalty


def count(
    hypotheses: Sequence[str],
    references: segments.References,
    tokenize: Tokenization,
    lowercase: bool,
    threads: int | None = None,
) -> Counts:
    """The statistics of each segment, ``(segments, 10)`` int64.

    Length, closest reference length, clipped matches of orders 1 to 4, n-grams of orders 1 to 4.
    """
    return ngrams.count(
        hypotheses if not lowercase else [each.lower() for each in hypotheses],
        references if not lowercase else [[each.lower() for each in some] for some in references],
        tokenize,
        threads,
    )
