"""GloVe's entries as their equations are written, and training without native kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32
from numpy.typing import NDArray


class Entries(NamedTuple):
    """Some entries of the co-occurrence matrix X: ``counts[k] = X[rows[k], columns[k]]``."""

    rows: Int32[np.ndarray, " entries"]
    columns: Int32[np.ndarray, " entries"]
    counts: Float32[np.ndarray, " entries"]


def train_entries(
    tensors: Mapping[str, NDArray[np.float32]],
    rows: Int32[np.ndarray, " entries"],
    columns: Int32[np.ndarray, " entries"],
    logs: Float32[np.ndarray, " entries"],
    weights: Float32[np.ndarray, " entries"],
    rate: float,
) -> float:
    """As ``kernels.embeddings.train_glove``, in NumPy and in the order of the entries.

    J = Σ f(X) (w·w̃ + b + b̃ − log X)² (Pennington et al. 2014, equation 8; like their program, without the 2
    of its derivative), by AdaGrad (Duchi et al. 2011): θ ← θ − rate · g / √(Σ g²). A row has one sum, of the
    mean of its numbers' g²: it learns as well as a sum a number, which would double the memory.
    """
    total = 0.0
    for i, j, log, weight in zip(rows.tolist(), columns.tolist(), logs, weights, strict=True):
        w, v = tensors["input"][i].copy(), tensors["output"][j].copy()
        difference = w @ v + tensors["input_bias"][i] + tensors["output_bias"][j] - log
        error = weight * difference
        total += float(error * difference)
        for name, row, gradient in (
            ("input", i, error * v),
            ("output", j, error * w),
            ("input_bias", i, error),
            ("output_bias", j, error),
        ):
            squares = tensors[f"{name}_squares"]
            tensors[name][row] -= rate * gradient / np.sqrt(squares[row])
            squares[row] += np.mean(gradient**2)
    return total
