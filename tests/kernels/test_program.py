"""exp, sigmoid and tanh of ``native/vector.h``, as the interpreter has them: how near they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled import kernels
from unrolled.kernels.program import Kind, Operation, Place, run

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

FURTHER = {torch.float32: np.float64, torch.float64: np.longdouble}
EXPONENT = {torch.float32: 87.3, torch.float64: 708.0}
SMALLEST = {torch.float32: -103.9, torch.float64: -745.1}


def applied(kind: Kind, x: Tensor) -> Tensor:
    """A function of each number, or of each row's."""
    x = x.contiguous() if x.ndim == 2 else x[None].contiguous()
    out, (rows, width) = torch.empty_like(x), x.shape
    run(
        [Operation(kind, 0, out=1, width=width)],
        [Place(x, row=width), Place(out, row=width)],
        None,
        steps=1,
        batch=rows,
        groups=1,
        lengths=None,
        reverse=False,
        like=x,
    )
    return out


def grid(low: float, high: float, dtype: torch.dtype) -> Tensor:
    """Evenly over a range, and ever closer to 0 within it."""
    near = torch.logspace(-300 if dtype is torch.float64 else -37, 0, 9973, dtype=torch.float64)
    points = torch.cat((torch.linspace(low, high, 300_007, dtype=torch.float64), near, -near)).to(dtype)
    return points[(points >= low) & (points <= high)]


def apart(found: Tensor, exact: Any) -> float:
    """The greatest distance in units in the last place of what is exact."""
    last = np.spacing(np.abs(exact).astype(found.numpy().dtype))
    return float((np.abs(found.numpy().astype(exact.dtype) - exact) / last).max())


def exactly(function: Callable[[Any], Any], x: Tensor) -> Any:
    with np.errstate(all="ignore"):
        return function(x.numpy().astype(FURTHER[x.dtype]))


@pytest.mark.parametrize("dtype", FURTHER, ids=str)
def test_functions_are_as_near_as_they_say(dtype: torch.dtype) -> None:
    top = EXPONENT[dtype]
    whole, bounded, wide = (
        grid(SMALLEST[dtype], top + 1.4, dtype),
        grid(-top, top, dtype),
        grid(-99, 99, dtype),
    )
    assert apart(applied(Kind.EXP, whole)[0], exactly(np.exp, whole)) <= 4
    assert apart(applied(Kind.SIGMOID, bounded)[0], exactly(lambda x: 1 / (1 + np.exp(-x)), bounded)) <= 3
    assert apart(applied(Kind.TANH, wide)[0], exactly(np.tanh, wide)) <= 4
    # Beside a 1 that is so much greater that the sum is 1, softmax is exp itself.
    low = grid(-top, -40, dtype)
    beside = applied(Kind.SOFTMAX, torch.stack((low, torch.zeros_like(low)), 1))[:, 0]
    assert apart(beside, exactly(np.exp, low)) <= 2


@pytest.mark.parametrize("dtype", FURTHER, ids=str)
def test_exp_reaches_from_zero_to_infinity(dtype: torch.dtype) -> None:
    """It once ended at its largest exponent: exp(88) was half of what it is, exp(100) no infinity."""
    ends = [-torch.inf, SMALLEST[dtype] - 1, EXPONENT[dtype] + 0.7, 720.0, torch.inf, torch.nan, 0.0]
    x = torch.tensor(ends, dtype=dtype)
    torch.testing.assert_close(applied(Kind.EXP, x)[0], x.exp(), equal_nan=True)
    for kind in (Kind.SIGMOID, Kind.TANH):
        assert bool(applied(kind, x)[0].isnan().eq(x.isnan()).all())
