from __future__ import annotations

import os
import subprocess
import sys

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


@pytest.mark.parametrize("rows", [0, 5])
def test_features_of_no_size(rows: int) -> None:
    features, weight, bias = torch.randn(rows, 0), torch.randn(7, 0), torch.randn(7)
    targets = torch.randint(7, (rows,))
    losses, *grads = CROSS_ENTROPY(features, weight, bias, targets, 0.0, 0.0, True, True, True)
    torch.testing.assert_close(losses, -bias.log_softmax(0)[targets])
    expected = rows * bias.softmax(0) - torch.bincount(targets, minlength=7)
    for grad, wanted in zip(grads, (features, weight, expected), strict=True):
        torch.testing.assert_close(grad, wanted)
    torch.library.opcheck(CROSS_ENTROPY, (features, weight, bias, targets, 0.1, 0.0, True, False, True))


@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_lesser_processors_compute_the_same(level: str) -> None:
    program = """
import torch
from torch.nn.functional import cross_entropy, linear
from unrolled.kernels.cross_entropy import CROSS_ENTROPY
torch.manual_seed(0)
for n, d, vocabulary in ((130, 21, 45), (37, 30, 17001)):
    features, weight = torch.randn(n, d).double(), torch.randn(vocabulary, d).double().requires_grad_()
    targets = torch.randint(vocabulary, (n,))
    expected = cross_entropy(linear(features, weight), targets, reduction="none")
    expected.sum().backward()
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        losses, _, grad, _ = CROSS_ENTROPY(
            features.to(dtype), weight.detach().to(dtype), None, targets, 0.0, 0.0, False, True, False
        )
        for one, two in ((losses, expected), (grad, weight.grad)):
            assert (one - two).norm() <= tolerance * two.norm(), (n, dtype)
"""
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "UNROLLED_INSTRUCTION_SET": level}, check=True
    )
