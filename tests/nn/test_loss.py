from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unrolled.errors import UserError
from unrolled.nn import loss as module
from unrolled.nn.loss import projected_cross_entropy, projected_log_probs


def example(n=7, d=3, vocabulary=11, seed=0, dtype=torch.double):
    torch.manual_seed(seed)
    features = torch.randn(n, d, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, d, dtype=dtype, requires_grad=True)
    bias = torch.randn(vocabulary, dtype=dtype, requires_grad=True)
    return features, weight, bias, torch.randint(vocabulary, (n,))


def whole(features, weight, bias, targets, **options):
    return F.cross_entropy(F.linear(features, weight, bias), targets, reduction="sum", **options)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("n", [0, 1, 64, 200])
def test_equals_the_untiled_loss(smoothing, biased, n, monkeypatch):
    monkeypatch.setattr(module, "TILE", 1)  # 64 rows a tile
    features, weight, bias, targets = example(n)
    targets[::5] = -1
    inputs = (features, weight, bias) if biased else (features, weight)
    bias = bias if biased else None
    options = {"label_smoothing": smoothing, "ignore_index": -1}
    expected = whole(features, weight, bias, targets, **options)
    total = projected_cross_entropy(features, weight, bias, targets, **options)
    torch.testing.assert_close(total, expected)
    if n:
        for ours, theirs in zip(
            torch.autograd.grad(total * 0.3, inputs), torch.autograd.grad(expected * 0.3, inputs), strict=True
        ):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients(smoothing):
    features, weight, bias, targets = example()
    targets[2] = -100

    def loss(features, weight, bias):
        return projected_cross_entropy(features, weight, bias, targets, label_smoothing=smoothing)

    assert torch.autograd.gradcheck(loss, (features, weight, bias))
    assert torch.autograd.gradgradcheck(loss, (features, weight, bias))


def test_only_the_wanted_gradients_are_made():
    features, weight, bias, targets = example()
    total = projected_cross_entropy(features.detach(), weight, bias.detach(), targets)
    (gradient,) = torch.autograd.grad(total, weight)
    (expected,) = torch.autograd.grad(whole(features, weight, bias, targets), weight)
    torch.testing.assert_close(gradient, expected)
    with torch.no_grad():
        assert not projected_cross_entropy(features, weight, bias, targets).requires_grad


def test_nothing_of_the_size_of_the_logits_is_kept():
    n, vocabulary = 512, 4096
    features, weight, bias, targets = example(n, 8, vocabulary)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        projected_cross_entropy(features, weight, bias, targets)
    assert kept
    assert max(kept) == vocabulary * 8 < n * vocabulary


def test_probabilities_below_the_floor_have_no_gradient():
    features, weight, bias, targets = example()
    probabilities = torch.softmax(F.linear(features, weight, bias), dim=1).detach()
    floor = 0.05
    assert 0.1 < (probabilities < floor).double().mean() < 0.9
    total = projected_cross_entropy(features, weight, bias, targets, gradient_floor=floor)
    (gradient,) = torch.autograd.grad(total, bias)
    expected = probabilities.where(probabilities >= floor, 0) - F.one_hot(targets, len(weight))
    torch.testing.assert_close(gradient, expected.sum(0))
    torch.testing.assert_close(total, whole(features, weight, bias, targets))


def test_narrow_features_are_summed_in_float32():
    features, weight, bias, targets = example(300, dtype=torch.float32)
    expected = whole(features, weight, bias, targets)
    total = projected_cross_entropy(features.bfloat16(), weight.bfloat16(), bias.bfloat16(), targets)
    assert total.dtype == torch.float32
    assert abs(total / expected - 1) < 0.02
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = projected_cross_entropy(features, weight, bias, targets)
    gradient = torch.autograd.grad(mixed, weight)[0]
    exact = torch.autograd.grad(expected, weight)[0]
    assert gradient.dtype == torch.float32
    assert (gradient - exact).norm() / exact.norm() < 0.02


def test_log_probs_of_given_targets():
    features, weight, bias, targets = example(150)
    expected = torch.log_softmax(F.linear(features, weight, bias), dim=1)[torch.arange(150), targets]
    torch.testing.assert_close(projected_log_probs(features, weight, bias, targets), expected)
    assert projected_log_probs(features[:0], weight, bias, targets[:0]).shape == (0,)


def test_options_out_of_range_are_refused():
    with pytest.raises(UserError, match="label_smoothing=1"):
        projected_cross_entropy(*example(), label_smoothing=1.0)
