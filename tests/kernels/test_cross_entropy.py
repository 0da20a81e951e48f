from __future__ import annotations

import pytest
import torch

from unrolled import kernels
from unrolled.kernels.cross_entropy import CROSS_ENTROPY

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("needs", [(False, False, False), (True, True, True), (False, True, False)])
def test_the_operator_keeps_torchs_rules(needs: tuple[bool, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    features, weight, bias = (torch.randn(*shape, dtype=dtype) for shape in ((5, 3), (7, 3), (7,)))
    targets = torch.randint(7, (5,))
    torch.library.opcheck(CROSS_ENTROPY, (features, weight, bias, targets, 0.1, 0.0, *needs))
    torch.library.opcheck(CROSS_ENTROPY, (features, weight, None, targets, 0.0, 0.01, *needs[:2], False))
