"""Learning word vectors, natively: skip-gram, CBOW and GloVe on blocks of memory."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt32, UInt64
from numpy.typing import NDArray

from unrolled.kernels.library import function

_POINTER = ctypes.c_void_p


class _EmbeddingJob(ctypes.Structure):
    """``EmbeddingJob`` of native/skipgram.h, field for field."""

    _fields_ = (
        ("architecture", ctypes.c_int32),
        ("dimensions", ctypes.c_int32),
        ("window", ctypes.c_int32),
        ("negatives", ctypes.c_int32),
        ("vocabulary", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("synchronous", ctypes.c_int32),
        ("unused", ctypes.c_int32),
        ("seed", ctypes.c_uint64),
        ("total", ctypes.c_int64),
        ("first_rate", ctypes.c_double),
        ("last_rate", ctypes.c_double),
        ("keep", _POINTER),
        ("noise_odds", _POINTER),
        ("noise_alias", _POINTER),
        ("pieces_begin", _POINTER),
        ("pieces", _POINTER),
        ("input", _POINTER),
        ("output", _POINTER),
    )


@dataclass
class WindowJob:
    """All that training on windows needs besides the text.

    ``input`` holds what words are: a row a word, then, where words have pieces, a row a piece. ``output``
    holds what words predict. Both are changed in place.
    """

    architecture: int
    """0 skip-gram, 1 CBOW."""
    window: int
    negatives: int
    seed: int
    total: int
    """Words of the whole training, over all epochs: where the learning rate reaches ``last_rate``."""
    first_rate: float
    last_rate: float
    keep: UInt32[np.ndarray, " vocabulary"]
    """A word is trained on when 32 random bits are at most this."""
    noise_odds: UInt32[np.ndarray, " vocabulary"]
    noise_alias: Int32[np.ndarray, " vocabulary"]
    """Alias table of the noise: a column, or its alias when 32 random bits exceed its odds."""
    input: NDArray[np.float32]
    output: NDArray[np.float32]
    pieces_begin: Int64[np.ndarray, " vocabulary+1"] | None = None
    pieces: Int32[np.ndarray, " pieces"] | None = None
    """Rows of ``input`` of word w: ``pieces[pieces_begin[w]:pieces_begin[w + 1]]``."""


@cache
def _train_embeddings() -> Any:
    return function(
        "unrolled_train_embeddings",
        *(_POINTER, _POINTER, _POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, _POINTER),
    )


@cache
def _train_glove() -> Any:
    return function("unrolled_train_glove", _POINTER, ctypes.c_int32)


@cache
def _count_pairs() -> Any:
    return function(
        "unrolled_count_pairs",
        *(_POINTER, _POINTER, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32),
        *(_POINTER, _POINTER, ctypes.c_int64, _POINTER),
        result=ctypes.c_int64,
    )


def train_windows(
    job: WindowJob,
    ids: Int32[np.ndarray, " words"],
    bounds: Int64[np.ndarray, " sentences+1"],
    position: int,
    *,
    threads: int = 1,
    synchronous: bool = False,
) -> tuple[float, int]:
    """Train on the sentences ``ids[bounds[s]:bounds[s + 1]]``, the first of them ``position`` words in.

    Args:
        synchronous: the result does not depend on the number of threads.

    Returns:
        the sum of the losses measured, in nats, and of how many predicted words (a sample).
    """
    native = _EmbeddingJob(
        architecture=job.architecture,
        dimensions=job.input.shape[1],
        window=job.window,
        negatives=job.negatives,
        vocabulary=len(job.output),
        threads=threads,
        synchronous=synchronous,
        seed=job.seed,
        total=job.total,
        first_rate=job.first_rate,
        last_rate=job.last_rate,
        keep=_address(job.keep, np.uint32),
        noise_odds=_address(job.noise_odds, np.uint32),
        noise_alias=_address(job.noise_alias, np.int32),
        pieces_begin=_address(job.pieces_begin, np.int64),
        pieces=_address(job.pieces, np.int32),
        input=_address(job.input, np.float32),
        output=_address(job.output, np.float32),
    )
    loss, pairs = ctypes.c_double(), ctypes.c_int64()
    _train_embeddings()(
        ctypes.addressof(native),
        _address(ids, np.int32),
        _address(bounds, np.int64),
        len(bounds) - 1,
        position,
        ctypes.addressof(loss),
        ctypes.addressof(pairs),
    )
    return loss.value, pairs.value


class _GloveEntries(ctypes.Structure):
    """``GloveEntries`` of native/glove_entries.h, field for field."""

    _fields_ = (
        ("rows", _POINTER),
        ("columns", _POINTER),
        ("logs", _POINTER),
        ("weights", _POINTER),
        ("count", ctypes.c_int64),
        ("dimensions", ctypes.c_int64),
        ("rate", ctypes.c_float),
        ("input", _POINTER),
        ("output", _POINTER),
        ("input_bias", _POINTER),
        ("output_bias", _POINTER),
        ("input_squares", _POINTER),
        ("output_squares", _POINTER),
        ("input_bias_squares", _POINTER),
        ("output_bias_squares", _POINTER),
        ("loss", _POINTER),
    )


GLOVE_TENSORS = tuple(name for name, _ in _GloveEntries._fields_ if name.startswith(("input", "output")))
"""What GloVe learns, by name: matrices (vocabulary, dimensions), biases and AdaGrad's sums (vocabulary)."""


def train_glove(
    tensors: Mapping[str, NDArray[np.float32]],
    rows: Int32[np.ndarray, " entries"],
    columns: Int32[np.ndarray, " entries"],
    logs: Float32[np.ndarray, " entries"],
    weights: Float32[np.ndarray, " entries"],
    rate: float,
    *,
    threads: int = 1,
) -> float:
    """One step of AdaGrad for each entry; the tensors of :data:`GLOVE_TENSORS` are changed in place.

    The result does not depend on the number of threads.

    Returns:
        Σ f(X) (w·w̃ + b + b̃ − log X)², each entry's before its step.
    """
    loss = ctypes.c_double()
    native = _GloveEntries(
        rows=_address(rows, np.int32),
        columns=_address(columns, np.int32),
        logs=_address(logs, np.float32),
        weights=_address(weights, np.float32),
        count=len(rows),
        dimensions=tensors["input"].shape[1],
        rate=rate,
        loss=ctypes.addressof(loss),
        **{name: _address(tensors[name], np.float32) for name in GLOVE_TENSORS},
    )
    _train_glove()(ctypes.addressof(native), threads)
    return loss.value


class PairTable:
    """How often pairs of words meet, weighted by 1/distance: a hash table of fixed size.

    Its memory is taken with the first pair and given back by :meth:`take`.

    Args:
        megabytes: its memory; a pair takes 16 bytes, and the table is full at three quarters.
    """

    def __init__(self, megabytes: int) -> None:
        self._capacity = 1 << ((megabytes << 20) // 16).bit_length() - 1
        self._slots: tuple[NDArray[np.uint64], NDArray[np.float64]] | None = None
        self._used = ctypes.c_int64()

    def __len__(self) -> int:
        return self._used.value

    def add(
        self,
        ids: Int32[np.ndarray, " words"],
        bounds: Int64[np.ndarray, " sentences+1"],
        position: int,
        window: int,
    ) -> int:
        """Count the pairs of the words from ``position`` on with those up to ``window`` before them.

        Returns:
            the position reached: the end, unless the table is full.
        """
        if self._slots is None:
            self._slots = np.full(self._capacity, _EMPTY, dtype=np.uint64), np.empty(self._capacity)
        keys, values = self._slots
        reached: int = _count_pairs()(
            _address(ids, np.int32),
            _address(bounds, np.int64),
            len(bounds) - 1,
            position,
            window,
            _address(keys, np.uint64),
            _address(values, np.float64),
            self._capacity,
            ctypes.addressof(self._used),
        )
        return reached

    def take(self) -> tuple[UInt64[np.ndarray, " pairs"], Float64[np.ndarray, " pairs"]]:
        """Empty the table: keys (smaller id · 2³² + larger id), ascending, and values."""
        if self._slots is None:
            return np.empty(0, dtype=np.uint64), np.empty(0)
        keys, values = self._slots
        order = np.argsort(keys)[: len(self)]  # an empty slot's key is above all others
        self._slots, self._used.value = None, 0
        return keys[order], values[order]


_EMPTY = np.uint64(2**64 - 1)


def _address(array: NDArray[Any] | None, dtype: Any) -> int | None:
    """Where a contiguous array of this type lies."""
    if array is None:
        return None
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"expected a contiguous array of {np.dtype(dtype)}, not of {array.dtype}")
    return array.ctypes.data
