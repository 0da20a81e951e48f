from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.library import opcheck

from unrolled import kernels
from unrolled.nn.dropout import Dropout, dropout

native = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")


def philox(seed: int, counters: np.ndarray) -> np.ndarray:
    """Philox4x32-10 by the paper's definition: ``(counters, 4)``."""
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], dtype=np.uint64)
    c = np.zeros((4, len(counters)), dtype=np.uint64)
    c[0], c[1] = counters & 0xFFFFFFFF, counters >> 32
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
        c = np.stack(
            [second >> high ^ c[1] ^ key[0], second & low, first >> high ^ c[3] ^ key[1], first & low]
        )
        key = (key + np.array([0x9E3779B9, 0xBB67AE85], dtype=np.uint64)) & low
    return c.T


def test_the_definition_gives_the_published_numbers():
    # Random123's known answers: counter and key all zeros.
    found = [f"{int(word):08x}" for word in philox(0, np.zeros(1, dtype=np.uint64))[0]]
    assert found == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]


@native
@pytest.mark.parametrize("size", [1, 5, 64, 100, 70_001])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_mask_is_philox_of_the_place(size, dtype, threads, monkeypatch):
    seed, share = 0x1234_5678_9ABC_DEF, 0.3
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = torch.ops.unrolled.dropout.default(torch.ones(size, dtype=dtype), share, seed)
    finally:
        torch.set_num_threads(before)
    numbers = philox(seed, np.arange(-(-size // 64) * 16, dtype=np.uint64))
    # Sixteen counters at a time, the first number of each before the second ones.
    drawn = numbers.reshape(-1, 16, 4).transpose(0, 2, 1).reshape(-1)[:size]
    expected = torch.from_numpy(drawn < round(0.7 * 2**32)).to(dtype) / 0.7
    torch.testing.assert_close(found, expected)


@native
def test_each_number_falls_alone():
    torch.manual_seed(1)
    made = dropout(torch.ones(400, 1000), 0.2) == 0
    assert abs(made.double().mean() - 0.2) < 5 * (0.16 / made.numel()) ** 0.5
    for one, other in ((made[:, 1:], made[:, :-1]), (made[1:], made[:-1])):
        together = (one & other).double().mean()
        assert abs(together - 0.04) < 5 * (0.04 / one.numel()) ** 0.5


@native
def test_gradient_passes_where_the_input_did():
    torch.manual_seed(2)
    given = torch.randn(7, 33, dtype=torch.float64, requires_grad=True)
    made = dropout(given.t(), 0.4)  # not contiguous
    (gradient,) = torch.autograd.grad(made.sum(), given, create_graph=True)
    torch.testing.assert_close(gradient.t() * given.t(), made)

    def again(x):
        torch.manual_seed(3)
        return dropout(x, 0.4)

    assert torch.autograd.gradcheck(again, given)
    assert torch.autograd.gradgradcheck(again, given)


@native
def test_operator_is_well_behaved():
    opcheck(
        torch.ops.unrolled.dropout.default,
        (torch.randn(3, 50, requires_grad=True), 0.5, 9),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_the_seed_is_torchs():
    draws = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        draws.append(torch.stack([dropout(torch.ones(100), 0.5) for _ in range(2)]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_another_default_device_changes_nothing():
    draws = []
    for device in ("cpu", "meta"):
        torch.manual_seed(3)
        with torch.device(device):
            draws.append(dropout(torch.ones(50, device="cpu"), 0.5))
    assert torch.equal(*draws)


def test_nothing_and_all():
    given = torch.randn(2, 3)
    assert dropout(given, 0.0) is given
    assert dropout(given, 0.5, training=False) is given
    assert Dropout(0.5).eval()(given) is given
    assert dropout(given, 1.0).count_nonzero() == 0
    assert dropout(given[:0], 0.5).shape == (0, 3)


def test_other_numbers_are_torchs_own():
    assert dropout(torch.ones(8, dtype=torch.bfloat16), 0.5).dtype is torch.bfloat16
