from __future__ import annotations

import pytest
import torch
from torch.library import opcheck

from unrolled import kernels
from unrolled.nn import additive

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")


def example(batch, queries, source, size, dtype=torch.float64):
    torch.manual_seed(batch + size)
    shapes = (batch, queries, size), (batch, source, size), (1, size)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (3, 4, 5, 33), (2, 30, 40, 64)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_is_the_reference(size, dtype):
    given = example(*size, dtype=dtype)
    exact = [part.detach().double().requires_grad_() for part in given]
    found, expected = additive.energies(*given), additive._reference(*exact)
    weights = torch.randn(expected.shape, dtype=torch.float64)
    pairs = [(found, expected)]
    pairs += zip(
        torch.autograd.grad(found, given, weights.to(dtype)),
        torch.autograd.grad(expected, exact, weights),
        strict=True,
    )
    for one, other in pairs:
        assert (one.double() - other).norm() <= (1e-12 if dtype is torch.float64 else 1e-5) * other.norm()


def test_gradients_are_those_of_differences():
    given = example(2, 2, 3, 5)
    assert torch.autograd.gradcheck(additive.energies, given)
    assert torch.autograd.gradgradcheck(additive.energies, given)


def test_inputs_that_are_not_contiguous_or_need_no_gradient():
    asked, keys, weight = example(2, 3, 4, 6)
    odd = asked.detach().transpose(0, 2).contiguous().transpose(0, 2)
    found = additive.energies(odd, keys, weight.detach())
    torch.testing.assert_close(found, additive._reference(asked, keys, weight))
    (gradient,) = torch.autograd.grad(found.square().sum(), keys)
    (expected,) = torch.autograd.grad(additive._reference(asked, keys, weight).square().sum(), keys)
    torch.testing.assert_close(gradient, expected)


def test_what_repeats_or_does_not_fit_is_left_to_the_reference():
    asked, keys, weight = example(3, 1, 4, 6)
    with torch.no_grad():
        found = additive.energies(asked, keys[:1], weight)
        assert torch.equal(found, additive._reference(asked, keys[:1], weight))
        found = additive.energies(asked[:1], keys, weight)
        assert torch.equal(found, additive._reference(asked[:1], keys, weight))
        with pytest.raises(RuntimeError):
            additive.energies(asked, keys[..., :5], weight)


def test_operator_is_well_behaved():
    opcheck(
        torch.ops.unrolled.energies.default,
        example(2, 3, 4, 6),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_so_is_the_one_of_its_gradients():
    given = [part.detach() for part in example(2, 3, 4, 6)]
    opcheck(
        torch.ops.unrolled.energies_backward.default,
        (torch.randn(2, 3, 4, dtype=torch.float64), *given),
        test_utils=("test_schema", "test_faketensor"),
    )


def test_holds_no_more_than_its_answer():
    """64 × 64 × 64 × 512 numbers would be 512 MB; neither direction may allocate a tenth of it."""
    given = example(64, 64, 64, 512, dtype=torch.float32)
    with torch.profiler.profile(profile_memory=True) as profile:
        additive.energies(*given).sum().backward()
    assert max(event.cpu_memory_usage for event in profile.events()) < 50e6
