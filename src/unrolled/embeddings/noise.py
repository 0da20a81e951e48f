"""Which words are trained on, and which are drawn to contrast them with (Mikolov et al. 2013, section 2)."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32, UInt32, UInt64
from numpy.typing import ArrayLike, NDArray

_WHOLE = 2**32 - 1


class AliasTable(NamedTuple):
    """A distribution to draw from at once: a column, or its alias when 32 random bits exceed its odds."""

    odds: UInt32[np.ndarray, " n"]
    alias: Int32[np.ndarray, " n"]


def alias_table(weights: ArrayLike) -> AliasTable:
    """The alias table of the distribution proportional to ``weights`` (Vose 1991)."""
    share = np.asarray(weights, dtype=np.float64)
    share = share / share.sum() * len(share)
    odds = np.full(len(share), _WHOLE, dtype=np.uint32)
    alias = np.arange(len(share), dtype=np.int32)
    # Arrays of Python's: as quick to read one by one as lists, in a quarter of the memory.
    poor = array("q", np.flatnonzero(share < 1).tobytes())
    rich = array("q", np.flatnonzero(share >= 1).tobytes())
    left = array("d", share.tobytes())
    while poor and rich:
        low, high = poor.pop(), rich[-1]
        odds[low], alias[low] = int(left[low] * _WHOLE), high
        left[high] -= 1 - left[low]
        if left[high] < 1:
            poor.append(rich.pop())
    return AliasTable(odds, alias)


def noise_table(counts: Int[np.ndarray, " vocabulary"], power: float) -> AliasTable:
    """The noise distribution: each word in proportion to its count to a power."""
    return alias_table(counts.astype(np.float64) ** power)


def keep_odds(counts: Int[np.ndarray, " vocabulary"], threshold: float) -> UInt32[np.ndarray, " vocabulary"]:
    """How likely an occurrence of each word is trained on, in 2⁻³²: √(t/f) + t/f for a word of frequency f.

    That is what the authors' program does; their paper says √(t/f). A threshold of 0 keeps all.
    """
    if threshold == 0:
        return np.full(len(counts), _WHOLE, dtype=np.uint32)
    ratio = threshold * counts.sum() / np.maximum(counts, 1)
    return (np.minimum(1.0, np.sqrt(ratio) + ratio) * _WHOLE).astype(np.uint32)


CHOICES = 4096
"""Random numbers set aside for each word of the text; :class:`VectorSettings` refuses what needs more."""


def draw(seed: int, position: ArrayLike, n: ArrayLike) -> UInt64[np.ndarray, "*shape"]:
    """The n-th random number of the word at ``position``: splitmix64 (Steele et al. 2014) at any place.

    A hash rather than a sequence, so that no choice depends on which thread makes it, or what came before.
    """
    with np.errstate(over="ignore"):
        place = np.asarray(position, dtype=np.uint64) * np.uint64(CHOICES) + np.asarray(n, dtype=np.uint64)
        z = np.uint64(seed) + (place + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def below(bits: UInt64[np.ndarray, "*shape"], bound: int) -> NDArray[np.int64]:
    """A whole number below ``bound`` from the upper half of random bits."""
    return (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)
