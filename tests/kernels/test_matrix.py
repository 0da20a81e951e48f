from __future__ import annotations

import pytest
import torch

from unrolled.errors import UserError
from unrolled.kernels.matrix import Matrix


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
