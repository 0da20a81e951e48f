"""Accuracy, F1 and the confusion matrix."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UserError
from unrolled.metrics.score import Score, signature
from unrolled.metrics.tally import Counts, Tally, ratio, share


def accuracy(predicted: Sequence[Any], gold: Sequence[Any], *, name: str = "accuracy") -> Score:
    """The share of segments whose label, or whole set of labels, is right, in percent.

    Raises:
        UserError: no segments, or unequal numbers of them.
    """
    _check(predicted, gold)
    pairs = zip(map(_as_set, predicted), map(_as_set, gold), strict=True)
    right = np.array([set(one) == set(other) for one, other in pairs], dtype=np.int64)
    tally = Tally(np.stack([right, np.ones_like(right)], axis=1), share)
    return _rate(name, tally, "right", "of")


def token_accuracy(predicted: Sequence[Sequence[Any]], gold: Sequence[Sequence[Any]]) -> Score:
    """The share of tokens whose tag is right, in percent; a segment is a sentence.

    Raises:
        UserError: no segments, unequal numbers of them, or of tags within one.
    """
    _check(predicted, gold)
    rows = []
    for number, (ours, theirs) in enumerate(zip(predicted, gold, strict=True), start=1):
        if len(ours) != len(theirs):
            raise UserError(f"sentence {number} has {len(theirs)} tokens but {len(ours)} tags: one each")
        rows.append((sum(one == other for one, other in zip(ours, theirs, strict=True)), len(theirs)))
    return _rate("token accuracy", Tally(np.array(rows, dtype=np.int64), share), "right", "tokens")


def macro_f1(predicted: Sequence[Any], gold: Sequence[Any], labels: Iterable[Any] | None = None) -> Score:
    """The mean over labels of F1 = 2PR/(P+R), in percent, every label counting alike.

    A segment has one label, or a collection of them (several labels a text). Labels that occur neither in
    ``predicted`` nor in ``gold`` are left out of the mean. ``details`` has each label's own figures.

    Args:
        labels: those to average over; left out, all that occur.

    Raises:
        UserError: no segments, or unequal numbers of them.
    """
    ours, theirs, names = _indicators(predicted, gold, labels)
    statistics = np.concatenate([ours & theirs, ours, theirs], axis=1)
    tally = Tally(statistics, _macro_f1)
    right, found, there = np.split(tally.total(), 3)
    figures = zip(
        names,
        share(np.stack([right, found], axis=-1)),
        share(np.stack([right, there], axis=-1)),
        100.0 * ratio(2 * right, found + there),
        there.astype(int),
        strict=True,
    )
    return Score(
        "macro F1",
        float(_macro_f1(tally.total())),
        signature=signature("macro F1", labels=len(names)),
        details={
            "labels": {
                str(label): {
                    "precision": float(precision),
                    "recall": float(recall),
                    "f1": float(f1),
                    "count": int(count),
                }
                for label, precision, recall, f1, count in figures
            }
        },
        tally=tally,
    )


def confusion(
    predicted: Sequence[Any], gold: Sequence[Any], labels: Sequence[Any] | None = None
) -> tuple[NDArray[np.int64], list[Any]]:
    """How often each label (row) was taken for each (column): counts ``(labels, labels)`` and the labels.

    Args:
        labels: their order; left out, sorted.

    Raises:
        UserError: no segments, unequal numbers of them, or a label that is not in ``labels``.
    """
    _check(predicted, gold)
    names = _names((*predicted, *gold), labels)
    number = {label: index for index, label in enumerate(names)}
    unknown = next((label for label in (*gold, *predicted) if label not in number), None)
    if unknown is not None:
        raise UserError(f"label {unknown!r} is not among the labels: {', '.join(map(str, names))}")
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(matrix, ([number[label] for label in gold], [number[label] for label in predicted]), 1)
    return matrix, names


def confusion_table(predicted: Sequence[Any], gold: Sequence[Any]) -> dict[str, Any]:
    """:func:`confusion` as plain data, for a score's details."""
    counts, names = confusion(predicted, gold)
    return {"labels": [str(name) for name in names], "counts": counts.tolist()}


def _rate(name: str, tally: Tally, part: str, whole: str) -> Score:
    first, second = tally.total()
    return Score(
        name,
        float(share(tally.total())),
        signature=signature(name),
        details={part: int(first), whole: int(second)},
        tally=tally,
    )


def _macro_f1(sums: Counts) -> Counts:
    right, found, there = np.split(sums, 3, axis=-1)
    present = (found + there) > 0
    return 100.0 * ratio(ratio(2 * right, found + there).sum(axis=-1), present.sum(axis=-1))


def _indicators(
    predicted: Sequence[Any], gold: Sequence[Any], labels: Iterable[Any] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[Any]]:
    """Which segment has which label, ``(segments, labels)``, predicted and gold."""
    _check(predicted, gold)
    sets = [[_as_set(each) for each in side] for side in (predicted, gold)]
    names = _names((label for side in sets for each in side for label in each), labels)
    number = {label: index for index, label in enumerate(names)}
    tables = []
    for side in sets:
        table = np.zeros((len(side), len(names)), dtype=bool)
        for row, each in enumerate(side):
            table[row, [number[label] for label in each if label in number]] = True
        tables.append(table)
    return tables[0], tables[1], names


def _as_set(labels: Any) -> Collection[Any]:
    return labels if isinstance(labels, set | frozenset | list | tuple) else (labels,)


def _names(occurring: Iterable[Any], labels: Iterable[Any] | None) -> list[Any]:
    return list(dict.fromkeys(labels)) if labels is not None else sorted(set(occurring))


def _check(predicted: Sequence[Any], gold: Sequence[Any]) -> None:
    if len(predicted) != len(gold):
        raise UserError(f"{len(predicted)} predictions but {len(gold)} gold labels: one each")
    if len(gold) == 0:
        raise UserError("no segments to score: the predictions are empty")
