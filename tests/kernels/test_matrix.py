from __future__ import annotations

import pytest
import torch

from unrolled import kernels
from unrolled.errors import UserError
from unrolled.kernels.matrix import Matrix, panels


def test_int8_keeps_each_row_to_half_a_step() -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    found = Matrix.of(weight, "int8")
    assert found.scale is not None
    assert found.weight.abs().amax(1).tolist() == [127] * 5
    off = (found.weight * found.scale[:, None] - weight).abs()
    assert (off <= 0.501 * found.scale[:, None]).all()


def test_a_mistyped_kind_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'bfloat16'"):
        Matrix.of(torch.zeros(2, 3), "bfloat")


@pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")
@pytest.mark.parametrize("rows", [16, 1104])  # the second needs more than a large page
def test_matrices_laid_out_together_are_those_laid_out_alone(rows: int) -> None:
    weight = torch.randn(rows, 601, generator=torch.Generator().manual_seed(1))
    weights = [weight, Matrix.of(weight[:16], "int8").weight, weight[:16].bfloat16(), weight]
    together = panels(weights)
    for each, found in zip(weights, together, strict=True):
        (alone,), count = panels([each]), each.numel()
        assert torch.equal(found[:count], alone[:count])
        assert torch.equal(found[:count].sort().values, each.flatten().sort().values)
    assert panels([]) == []
