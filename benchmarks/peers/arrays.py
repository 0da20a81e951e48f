"""The numbers that the runner and its peers exchange: bare float32 files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read(folder: str, name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    return np.fromfile(Path(folder) / f"{name}.f32", dtype=np.float32).reshape(shape)


def write(folder: str, **arrays: Any) -> None:
    for name, array in arrays.items():
        np.ascontiguousarray(array, dtype=np.float32).tofile(Path(folder) / f"{name}.f32")


GATES = {"RNN": 1, "GRU before": 3, "GRU after": 3, "GRU none": 2, "LSTM": 4, "LSTM peepholes": 4}


def cell_weights(folder: str, cell: str, input: int, hidden: int) -> dict[str, NDArray[np.float32]]:
    """A cell's parameters in the layout of ``unrolled.nn.cells``."""
    rows = GATES[cell] * hidden
    shapes: dict[str, tuple[int, ...]] = {
        "input_weight": (rows, input),
        "recurrent_weight": (rows, hidden),
        "bias": (rows,),
    }
    if cell == "GRU after":
        shapes["recurrent_bias"] = (hidden,)
    if cell == "LSTM peepholes":
        shapes["peephole"] = (3, hidden)
    return {name: read(folder, name, shape) for name, shape in shapes.items()}
