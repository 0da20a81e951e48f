from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from unrolled import kernels
from unrolled.errors import UserError
from unrolled.nn import loss as module
from unrolled.nn import native
from unrolled.nn.loss import projected_cross_entropy, projected_divergence, projected_log_probs

needs_native = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")


@pytest.fixture(params=[pytest.param("native", marks=needs_native), "reference"], autouse=True)
def path(request, monkeypatch):
    """Every test once for each path."""
    if request.param == "reference":
        monkeypatch.setattr(native, "applies", lambda *tensors: False)
    return request.param


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


@pytest.mark.parametrize("function", [projected_cross_entropy, projected_log_probs])
def test_what_does_not_fit_is_refused(function):
    features, weight, bias, targets = example(6)
    for given in (
        (features, weight, bias, targets[:3]),
        (features.view(2, 3, 3), weight, bias, targets.view(2, 3)),
        (features, weight, bias, targets.double()),
        (features, weight, bias[:1], targets),
        (features, weight[:, :2], bias, targets),
        (features[:, :2], weight, bias, targets),
    ):
        with pytest.raises(UserError, match="do not fit: they must be"):
            function(*given)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients(smoothing):
    features, weight, bias, targets = example(4, 2, 5)
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


def test_a_training_step_needs_less_memory_than_half_its_logits_twice(path):
    """n = 700 (20 sequences of 35 words), V = 33,278, d = 200: a language model of WikiText-2."""
    if path == "reference":
        pytest.skip("what the kernel is for")
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak is Linux's to tell")
    program = """
import torch
from pathlib import Path
from unrolled.nn.loss import projected_cross_entropy
def kilobytes(what):
    return int(Path("/proc/self/status").read_text().split(what)[1].split()[0])
n, d, vocabulary = 700, 200, 33278
features = torch.randn(n, d, requires_grad=True)
weight = torch.randn(vocabulary, d, requires_grad=True)
bias = torch.zeros(vocabulary, requires_grad=True)
targets = torch.randint(vocabulary, (n,))
projected_cross_entropy(features[:9], weight[:90], bias[:90], targets[:9] % 90).backward()
features.grad = weight.grad = bias.grad = None
Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS:")
projected_cross_entropy(features, weight, bias, targets).backward()
print((kilobytes("VmHWM:") - before) * 1024 / (2 * n * vocabulary * 4))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5


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


def test_a_graph_can_be_gone_through_again():
    features, weight, bias, targets = example(90)
    total = projected_cross_entropy(features, weight, bias, targets, label_smoothing=0.1)
    first = torch.autograd.grad(total * 0.5, (features, weight, bias), retain_graph=True)
    again = torch.autograd.grad(total, (features, weight, bias))
    for one, two in zip(first, again, strict=True):
        torch.testing.assert_close(one * 2, two)


# Few words, which threads share by rows, and many; more rows than a block; sizes beside a vector's width.
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "size", [(1, 1, 1), (70, 3, 2), (333, 33, 45), (300, 40, 1003), (2, 520, 1100), (300, 65, 9001)]
)
def test_single_precision_is_that_of_double(size, threads, path):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        n, d, vocabulary = size
        features, weight, bias, targets = example(n, d, vocabulary, dtype=torch.float32)
        targets[n // 2] = -100
        options = {"label_smoothing": 0.1, "gradient_floor": 0.0}
        total = projected_cross_entropy(features, weight, bias, targets, **options)
        found = torch.autograd.grad(total, (features, weight, bias))
        inputs = [t.detach().double().requires_grad_() for t in (features, weight, bias)]
        expected = whole(*inputs, targets, label_smoothing=0.1)
        torch.testing.assert_close(total.double(), expected, rtol=1e-6, atol=0)
        for ours, theirs in zip(found, torch.autograd.grad(expected, inputs), strict=True):
            assert (ours - theirs).norm() <= 1e-5 * theirs.norm() + 1e-30
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("size", [(150, 9, 45), (300, 40, 9001)])
def test_the_floor_leaves_out_what_is_below_it_and_nothing_else(size):
    n, d, vocabulary = size
    features, weight, bias, targets = example(n, d, vocabulary)
    probabilities = torch.softmax(F.linear(features, weight, bias), dim=1).detach()
    floor, smoothing = 1e-3, 0.1
    assert 0.1 < (probabilities < floor).double().mean() < 1
    total = projected_cross_entropy(
        features, weight, bias, targets, gradient_floor=floor, label_smoothing=smoothing
    )
    found = torch.autograd.grad(total, (features, weight, bias))
    delta = probabilities.where(probabilities >= floor, 0) - smoothing / vocabulary
    delta -= (1 - smoothing) * F.one_hot(targets, vocabulary).double()
    for ours, theirs in zip(found, (delta @ weight, delta.t() @ features, delta.sum(0)), strict=True):
        torch.testing.assert_close(ours, theirs.detach())


def test_any_strides():
    features, weight, bias, targets = example(40, 6, 30)
    strided = [features[::2], weight.detach().t().contiguous().t().requires_grad_(), bias[:1].expand(30)]
    total = projected_cross_entropy(*strided, targets[::2])
    expected = whole(*strided, targets[::2])
    torch.testing.assert_close(total, expected)
    inputs = (features, strided[1], bias)
    for ours, theirs in zip(
        torch.autograd.grad(total, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_extreme_logits():
    features, weight, bias, targets = example(50, 4, 300)
    bias = torch.where(torch.arange(300) % 7 == 3, -torch.inf, bias.detach() * 300)
    targets = targets // 7 * 7
    total = projected_cross_entropy(features, weight, bias, targets)
    expected = whole(features, weight, bias, targets)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(
        torch.autograd.grad(total, (features, weight)), torch.autograd.grad(expected, (features, weight))
    )
    bad = features.detach().clone()
    bad[3, 2] = torch.nan
    assert projected_cross_entropy(bad, weight, bias, targets).isnan()


@pytest.mark.parametrize("wrong", [11, -7])
def test_a_target_outside_the_vocabulary_is_an_error(wrong):
    features, weight, bias, targets = example()
    targets[3] = wrong
    for kind in (features.dtype, torch.bfloat16):  # natively; by tiles
        given = (features.to(kind), weight.to(kind), bias.to(kind), targets)
        for function in (projected_cross_entropy, projected_log_probs):
            with pytest.raises(IndexError, match=rf"target {wrong} is not within a vocabulary of 11"):
                function(*given)


def test_options_out_of_range_are_refused():
    with pytest.raises(UserError, match="label_smoothing=1"):
        projected_cross_entropy(*example(), label_smoothing=1.0)


@pytest.mark.parametrize("n", [0, 1, 130])
def test_divergence_is_the_mean_of_both(n, monkeypatch):
    monkeypatch.setattr(module, "TILE", 1)  # 64 rows a tile
    first, weight, bias, _ = example(n)
    second = example(n, seed=1)[0]
    one, other = (F.linear(each, weight, bias).log_softmax(-1) for each in (first, second))
    both = F.kl_div(one, other, log_target=True, reduction="sum") + F.kl_div(
        other, one, log_target=True, reduction="sum"
    )
    inputs = (first, second, weight, bias)
    found = projected_divergence(*inputs)
    torch.testing.assert_close(found, both / 2)
    if n:
        gradients = (torch.autograd.grad(each, inputs) for each in (found, both / 2))
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_features_of_no_size(smoothing):
    features, weight, _, targets = example(d=0)
    bias = torch.randn(11, dtype=torch.double, requires_grad=True)
    found = projected_cross_entropy(features, weight, bias, targets, label_smoothing=smoothing)
    expected = whole(features, weight, bias, targets, label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)
    inputs = (features, weight, bias)
    torch.testing.assert_close(
        *(torch.autograd.grad(each, inputs, allow_unused=True) for each in (found, expected))
    )
    with torch.no_grad():
        log_probs = projected_log_probs(features, weight, bias, targets)
    torch.testing.assert_close(log_probs, bias.detach().log_softmax(0)[targets])
