"""Projection on a vocabulary and cross-entropy, as one torch operator: ``unrolled::cross_entropy``.

A plain function of tensors, without autograd; :mod:`unrolled.nn.loss` gives it its gradient.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.operators import LIBRARY
from unrolled.kernels.structures import pointer, structure

_CrossEntropy = structure(
    "CrossEntropy",
    bytes="size",
    threads="size",
    rows="size",
    size="size",
    vocabulary="size",
    features="pointer",
    weight="pointer",
    bias="pointer",
    targets="pointer",
    floor="double",
    target_weight="double",
    log_sums="pointer",
    log_probs="pointer",
    grad_features="pointer",
    grad_weight="pointer",
    grad_bias="pointer",
)


@cache
def _kernel() -> Any:
    return function("unrolled_cross_entropy", ctypes.POINTER(_CrossEntropy))


def cross_entropy(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    label_smoothing: float,
    gradient_floor: float,
    needs_features: bool,
    needs_weight: bool,
    needs_bias: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each row's loss ``(n,)`` and the gradients of their sum with respect to ``features (n, d)``,
    ``weight (V, d)`` and ``bias (V,)``; those not needed are empty.

    Raises:
        IndexError: a target outside the vocabulary.
        ValueError: shapes that do not fit.
    """
    (rows, size), vocabulary = features.shape, len(weight)
    shapes = [None if t is None else tuple(t.shape) for t in (features, weight, bias, targets)]
    if shapes[1:] != [(vocabulary, size), shapes[2] and (vocabulary,), (rows,)]:
        raise ValueError("features {}, weight {}, bias {} and targets {} do not fit".format(*shapes))
    if not size:  # the kernel divides by it; one feature that is zero says the same
        given = features.new_zeros(rows, 1), features.new_zeros(vocabulary, 1), bias, targets
        losses, *_, grad_bias = cross_entropy(
            *given, label_smoothing, gradient_floor, False, False, needs_bias
        )
        return losses, *_gradients(features, weight, needs_features, needs_weight, False)[:2], grad_bias
    log_sums, log_probs = features.new_empty(rows), features.new_empty(rows)
    grads = _gradients(features, weight, needs_features, needs_weight, needs_bias)
    if not rows:
        for grad in grads:
            grad.zero_()
        return log_probs, *grads
    check_targets(targets, vocabulary)
    features, weight, targets = features.contiguous(), weight.contiguous(), targets.long().contiguous()
    bias = None if bias is None else bias.contiguous()
    # The smoothing's share ε/V is the same for every word: it needs sums over the words, not their softmax.
    share = label_smoothing / vocabulary
    grad_features, grad_weight, grad_bias = grads
    grad_weight.copy_(features.sum(0) * -share) if share and needs_weight else grad_weight.zero_()
    grad_bias.fill_(-share * rows)
    _kernel()(
        _CrossEntropy(
            features.element_size(),
            torch.get_num_threads(),
            rows,
            size,
            vocabulary,
            features.data_ptr(),
            weight.data_ptr(),
            pointer(bias),
            targets.data_ptr(),
            gradient_floor,
            1 - label_smoothing,
            log_sums.data_ptr(),
            log_probs.data_ptr(),
            *(pointer(grad) if grad.numel() else None for grad in grads),
        )
    )
    losses = log_probs.neg_()
    if share:
        total = weight.sum(0)
        mean = (features @ total + (0 if bias is None else bias.sum())) / vocabulary
        losses = losses.mul_(1 - label_smoothing).add_(log_sums - mean, alpha=label_smoothing)
        if needs_features:
            grad_features.sub_(total, alpha=share)
    return losses, *grads


def check_targets(targets: Tensor, vocabulary: int) -> None:
    """Refuse a target that is no word.

    Raises:
        IndexError: one lies outside the vocabulary.
    """
    if not len(targets):
        return
    lowest, highest = (int(end) for end in torch.aminmax(targets))
    if lowest < 0 or highest >= vocabulary:
        wrong = lowest if lowest < 0 else highest
        raise IndexError(f"target {wrong} is not within a vocabulary of {vocabulary}")


def _gradients(
    features: Tensor, weight: Tensor, needs_features: bool, needs_weight: bool, needs_bias: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        features.new_empty(features.shape if needs_features else (0,)),
        features.new_empty(weight.shape if needs_weight else (0,)),
        features.new_empty((len(weight) if needs_bias else 0,)),
    )


def _cross_entropy_shapes(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    label_smoothing: float,
    gradient_floor: float,
    needs_features: bool,
    needs_weight: bool,
    needs_bias: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    losses = features.new_empty(len(features))
    return losses, *_gradients(features, weight, needs_features, needs_weight, needs_bias)


LIBRARY.define(
    "cross_entropy(Tensor features, Tensor weight, Tensor? bias, Tensor targets, float label_smoothing, "
    "float gradient_floor, bool needs_features, bool needs_weight, bool needs_bias) "
    "-> (Tensor, Tensor, Tensor, Tensor)"
)
LIBRARY.impl("cross_entropy", cross_entropy, "CPU")
torch.library.register_fake("unrolled::cross_entropy", _cross_entropy_shapes, lib=LIBRARY)
CROSS_ENTROPY = torch.ops.unrolled.cross_entropy.default
