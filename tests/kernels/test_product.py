from __future__ import annotations

import pytest
import torch

from unrolled import kernels
from unrolled.kernels.product import Packed, product

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-14}
SHAPES = [(20, 400, 200), (1, 1, 1), (7, 600, 300), (13, 1025, 257), (3, 513, 17)]
"""rows, depth, columns: one block and several, whole vectors and parts of one"""


@pytest.mark.parametrize("packed", [False, True], ids=["", "packed"])
@pytest.mark.parametrize("transposed", [False, True], ids=["", "transposed"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_the_product(
    shape: tuple[int, int, int], dtype: torch.dtype, transposed: bool, packed: bool
) -> None:
    rows, depth, columns = shape
    torch.manual_seed(0)
    a, bias, start = (torch.randn(size, dtype=dtype) for size in ((rows, depth), (columns,), (rows, columns)))
    b = (
        torch.randn(columns, depth, dtype=dtype).t()
        if transposed
        else torch.randn(depth, columns, dtype=dtype)
    )
    right = Packed(b) if packed else b
    expected = a.double() @ b.double()
    found = product(a, right, bias=bias, out=torch.empty_like(start))
    added = product(a.t().contiguous().t(), right, out=start.clone(), accumulate=True)
    for result, wanted in ((found, expected + bias.double()), (added, expected + start.double())):
        assert (result.double() - wanted).norm() <= TOLERANCE[dtype] * depth**0.5 * wanted.norm()


def test_a_packed_operand_is_as_the_matrix_was() -> None:
    matrix = torch.ones(3, 2)
    packed = Packed(matrix)
    matrix.zero_()
    assert product(torch.ones(1, 3), packed, out=torch.empty(1, 2)).tolist() == [[3.0, 3.0]]


def test_an_empty_depth_leaves_the_bias() -> None:
    bias = torch.tensor([1.0, 2.0])
    out = product(torch.empty(2, 0), torch.empty(0, 2), bias=bias, out=torch.empty(2, 2))
    assert out.tolist() == [[1.0, 2.0]] * 2
