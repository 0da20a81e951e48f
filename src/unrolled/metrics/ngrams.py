"""The n-gram statistics behind BLEU: natively, or in Python where the package has no native library."""

from __future__ import annotations

import ctypes
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Literal

import numpy as np

from unrolled import processors
from unrolled.kernels import library
from unrolled.metrics.mteval import tokenize_13a
from unrolled.metrics.segments import References
from unrolled.metrics.tally import Counts

ORDER = 4
Tokenization = Literal["13a", "none"]
_SPLIT: dict[str, Callable[[str], list[str]]] = {"13a": tokenize_13a, "none": str.split}
_KINDS = 2 + 2 * ORDER


def count(
    hypotheses: Sequence[str],
    references: References,
    tokenize: Tokenization,
    threads: int | None = None,
) -> Counts:
    """The statistics of each segment, ``(segments, 10)`` int64.

    Length, closest reference length (a tie goes to the shorter), matches of orders 1 to 4, each n-gram at
    most as often as one reference has it, and n-grams of orders 1 to 4. ``threads`` of the native library are
    PyTorch's number where it is loaded, else one a processor, unless they are given.
    """
    if library.load() is None:
        return count_in_python(hypotheses, references, tokenize)
    return count_natively(hypotheses, references, tokenize, threads)


def count_natively(
    hypotheses: Sequence[str], references: References, tokenize: Tokenization, threads: int | None = None
) -> Counts:
    """:func:`count` by ``native/bleu.cpp``.

    Raises:
        RunError: the package has no native library, or an older one.
    """
    texts = [
        text.encode("utf-8", "surrogatepass")
        for hypothesis, alternatives in zip(hypotheses, references, strict=True)
        for text in (hypothesis, *alternatives)
    ]
    offsets = _ends(map(len, texts), len(texts))
    first = _ends((1 + len(alternatives) for alternatives in references), len(references))
    statistics = np.empty((len(hypotheses), _KINDS), dtype=np.int64)
    _kernel("torch" in sys.modules)(
        b"".join(texts),
        offsets.ctypes.data,
        first.ctypes.data,
        len(hypotheses),
        tokenize == "13a",
        threads or processors.threads(),
        statistics.ctypes.data,
    )
    return statistics


@cache
def _kernel(pytorch: bool) -> Any:
    """Looked up again once PyTorch has come, whose threads it then runs on."""
    pointer, size, flag = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
    return library.function(
        "unrolled_count_ngrams", ctypes.c_char_p, pointer, pointer, size, flag, flag, pointer
    )


def count_in_python(hypotheses: Sequence[str], references: References, tokenize: Tokenization) -> Counts:
    """:func:`count` as it is defined; what the native one is tested against."""
    split = _SPLIT[tokenize]
    rows = (
        _count(split(hypothesis.rstrip()), [split(each.rstrip()) for each in alternatives])
        for hypothesis, alternatives in zip(hypotheses, references, strict=True)
    )
    return np.fromiter(chain.from_iterable(rows), dtype=np.int64).reshape(-1, _KINDS)


def _count(hypothesis: list[str], references: list[list[str]]) -> list[int]:
    length = len(hypothesis)
    closest = min((len(each) for each in references), key=lambda other: (abs(other - length), other))
    allowed = _ngrams(references[0])
    for each in references[1:]:
        allowed |= _ngrams(each)
    correct = [0] * ORDER
    for ngram, often in _ngrams(hypothesis).items():
        if ngram in allowed:
            correct[len(ngram) - 1] += min(often, allowed[ngram])
    return [length, closest, *correct, *(max(length - order, 0) for order in range(ORDER))]


def _ngrams(tokens: list[str]) -> Counter[tuple[str, ...]]:
    starts = [tokens[i:] for i in range(ORDER)]
    return Counter(chain.from_iterable(zip(*starts[:n], strict=False) for n in range(1, ORDER + 1)))


def _ends(sizes: Iterable[int], count: int) -> Counts:
    """0 and the running sum of ``count`` sizes: where each begins, and where the last ends."""
    ends = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.fromiter(sizes, dtype=np.int64, count=count), out=ends[1:])
    return ends
