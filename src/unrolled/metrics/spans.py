"""Precision, recall and F1 of spans, as the ``conlleval`` script of CoNLL-2000 counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from unrolled.metrics import schemes
from unrolled.metrics.classification import token_accuracy
from unrolled.metrics.score import Score, signature
from unrolled.metrics.tally import Counts, Tally, ratio


def span_f1(predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> Score:
    """F1 of spans in percent: one is right when its type and both its ends are. A segment is a sentence.

    Tags may be in any scheme (see :func:`unrolled.metrics.schemes.spans`), broken sequences included.
    ``details``: precision, recall, the counts, token accuracy as the script prints it, and the same by type.

    Raises:
        UserError: no sentences, unequal numbers of them, or of tags within one.
    """
    accuracy = token_accuracy(predicted, gold)  # which refuses what does not fit
    rows = []
    by_type: dict[str, Counter[str]] = {}
    for ours, theirs in zip(predicted, gold, strict=True):
        found, there = set(schemes.spans(ours)), set(schemes.spans(theirs))
        rows.append((len(found & there), len(found), len(there)))
        for what, some in (("right", found & there), ("found", found), ("gold", there)):
            for span in some:
                by_type.setdefault(span.type, Counter())[what] += 1
    tally = Tally(np.array(rows, dtype=np.int64), _f1)
    return Score(
        "span F1",
        float(_f1(tally.total())),
        signature=signature("span F1", spans="conlleval"),
        details={
            **_figures(tally.total()),
            "token_accuracy": accuracy.value,
            "tokens": accuracy.details["tokens"],
            "types": {
                type_: _figures(np.array([counts["right"], counts["found"], counts["gold"]], float))
                for type_, counts in sorted(by_type.items())
            },
        },
        tally=tally,
    )


def _f1(sums: Counts) -> Counts:
    return 100.0 * ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


def _figures(sums: Counts) -> dict[str, Any]:
    right, found, gold = sums
    return {
        "precision": float(100.0 * ratio(right, found)),
        "recall": float(100.0 * ratio(right, gold)),
        "f1": float(_f1(sums)),
        "right": int(right),
        "found": int(found),
        "gold": int(gold),
    }
