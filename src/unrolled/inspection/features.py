"""Simple facts about a text, one number a token, that a unit may have learned to keep track of.

After the units of Karpathy, Johnson & Fei-Fei (2016, "Visualizing and Understanding Recurrent Networks",
section 4.1): a quotation's inside, the depth of brackets, the place in a line. A token's number is that after
reading its last character.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

OPENING, CLOSING = "([{", ")]}"
QUOTES = '"“”„«»'
LINE_ENDS = ("\n", "</s>")


def features(texts: Sequence[Sequence[str]]) -> dict[str, Values]:
    """Every feature that is not the same at all tokens of the texts, by name, ``(tokens,)``."""
    found = {
        name: np.array([value for tokens in texts for value in feature(tokens)], dtype=np.float64)
        for name, feature in _FEATURES.items()
    }
    return {name: values for name, values in found.items() if len(values) and np.ptp(values) > 0}


def correlations(values: NDArray[np.floating], feature: Values) -> Values:
    """Pearson's r of each column of ``values (tokens, units)`` with the feature; 0 for a constant column."""
    columns = values - values.mean(axis=0, dtype=np.float64)
    centred = feature - feature.mean()
    norms = np.sqrt((columns**2).sum(axis=0) * (centred**2).sum())
    products = columns.T @ centred
    result: Values = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return result


def _in_quotes(tokens: Sequence[str]) -> list[float]:
    inside, opener, found = False, "", []
    for token in tokens:
        for character in token:
            if character == '"':
                inside = not inside
            elif character in QUOTES:
                # What opens in English closes in German: „so“.
                inside = character in "“„«" and not (inside and character == "“" and opener == "„")
                opener = character if inside else ""
        if token in LINE_ENDS:
            inside = inside and token == "\n"
        found.append(float(inside))
    return found


def _in_brackets(tokens: Sequence[str]) -> list[float]:
    depth, found = 0, []
    for token in tokens:
        for character in "" if token in LINE_ENDS else token:
            depth = max(0, depth + (character in OPENING) - (character in CLOSING))
        found.append(float(depth))
    return found


def _position(tokens: Sequence[str]) -> list[float]:
    at, found = 0, []
    for token in tokens:
        at = 0 if token in LINE_ENDS else at + len(token)
        found.append(float(at))
    return found


def _left(tokens: Sequence[str]) -> list[float]:
    """Characters still to come in the line; those of the last line that has no end count as if it had one."""
    at, found = 0, []
    for token in reversed(tokens):
        at = 0 if token in LINE_ENDS else at
        found.append(float(at))
        at += 0 if token in LINE_ENDS else len(token)
    return found[::-1]


def _upper_run(tokens: Sequence[str]) -> list[float]:
    """1 within at least two upper-case letters in a row."""
    letters = [(index, c.isupper()) for index, token in enumerate(tokens) for c in token]
    found = [0.0] * len(tokens)
    for upper, run in groupby(letters, key=lambda letter: letter[1]):
        members = list(run)
        if upper and len(members) > 1:
            for index, _ in members:
                found[index] = 1.0
    return found


_FEATURES: dict[str, Callable[[Sequence[str]], list[float]]] = {
    "inside quotes": _in_quotes,
    "bracket depth": _in_brackets,
    "position in the line": _position,
    "line length left": _left,
    "upper-case run": _upper_run,
}
