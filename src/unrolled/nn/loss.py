"""Cross-entropy of a projection onto a vocabulary, without ever holding all its logits.

For ``n`` predictions over a vocabulary of ``V`` words, the logits z = features·weightᵀ + bias are the largest
tensor of a model. Here they exist a tile of rows at a time: the loss and its gradients are made from a tile
while it is there, so that the backward pass has nothing left to do but to scale them. On a CPU a native
kernel makes them; elsewhere, and for narrow types, PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint

from unrolled.errors import UserError
from unrolled.kernels.cross_entropy import CROSS_ENTROPY, check_targets
from unrolled.nn import native
from unrolled.nn.graph import apart

TILE = 2**20
"""Logits in a tile: few enough to stay in cache, enough rows for a fast product."""


def projected_cross_entropy(
    features: Float[Tensor, "n d"],
    weight: Float[Tensor, "V d"],
    bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " n"],
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    gradient_floor: float = 0.0,
) -> Float[Tensor, ""]:
    """The sum over the counted targets of −Σ_w q(w) log softmax(features·weightᵀ + bias)_w, in nats.

    q is 1 at the target; with label smoothing ε (Szegedy et al. 2016, section 7) it is 1 − ε there plus ε/V
    everywhere. The sum is float32 for narrower features.

    Args:
        ignore_index: targets that are not counted.
        gradient_floor: probabilities below it count as zero in the gradients (not in the loss); exact when it
            is 0. Words that no row of a block gives more are left out, which saves up to two thirds of the
            arithmetic. Measured on a language model of WikiText-2 (V = 33,278, d = 200, n = 700, after 150
            updates), ‖Δ‖/‖gradient‖ of the weight, of the features, and the time beside the exact one's:
            1e-6: 0.0004, 0.003, 0.6; 1e-5: 0.010, 0.026, 0.45; 1e-4: 0.056, 0.091, 0.38.
            Gradients that are differentiated in their turn (``create_graph``) are exact.

    Raises:
        UserError: an option out of range; shapes that do not fit, or targets that are no integers.
        IndexError: a target that is counted lies outside the vocabulary.
    """
    _check(features, weight, bias, targets)
    for name, value in (("label_smoothing", label_smoothing), ("gradient_floor", gradient_floor)):
        if not 0 <= value < 1:
            raise UserError(f"{name}={value}: it must be at least 0 and below 1")
    counted = (targets != ignore_index).nonzero().squeeze(1)
    if len(counted) < len(targets):
        features, targets = features[counted], targets[counted]
    wanted = torch.is_grad_enabled()
    return _CrossEntropy.apply(features, weight, bias, targets, label_smoothing, gradient_floor, wanted)


def projected_log_probs(
    features: Float[Tensor, "n d"],
    weight: Float[Tensor, "V d"],
    bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " n"],
) -> Float[Tensor, " n"]:
    """log softmax(features·weightᵀ + bias) at each target; for scoring and looking inside, not for training.

    Where gradients are wanted, all logits are kept.

    Raises:
        UserError: shapes that do not fit, or targets that are no integers.
        IndexError: a target outside the vocabulary.
    """
    _check(features, weight, bias, targets)
    tensors = (features, weight, *(() if bias is None else (bias,)))
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if not wanted and native.applies(*tensors):
        return -CROSS_ENTROPY(features, weight, bias, targets, 0.0, 0.0, False, False, False)[0]
    check_targets(targets, len(weight))
    parts = [
        _log_softmax(features[rows], weight, bias).gather(1, targets[rows, None]).squeeze(1)
        for rows in _tiles(features, weight)
    ]
    return torch.cat(parts) if parts else _log_softmax(features, weight, bias).new_zeros(0)


def _check(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> None:
    if (
        features.ndim != 2
        or weight.shape[1:] != features.shape[1:]
        or (bias is not None and bias.shape != weight.shape[:1])
        or targets.shape != features.shape[:1]
        or targets.is_floating_point()
    ):
        shapes = [None if t is None else tuple(t.shape) for t in (features, weight, bias, targets)]
        raise UserError(
            "features {}, weight {}, bias {} and targets {} of {} do not fit: they must be (n, d), (V, d),"
            " (V,) and n integers".format(*shapes, targets.dtype)
        )


def projected_divergence(
    first: Float[Tensor, "n d"],
    second: Float[Tensor, "n d"],
    weight: Float[Tensor, "V d"],
    bias: Float[Tensor, " V"] | None,
) -> Float[Tensor, ""]:
    """The mean of KL(P₁‖P₂) and KL(P₂‖P₁) of two rows' softmax distributions, summed over rows, in nats.

    A tile's logits are made again for its gradients.
    """
    parts = [
        checkpoint(
            _divergence,
            first[rows],
            second[rows],
            weight,
            bias,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for rows in _tiles(first, weight)
    ]
    return torch.stack(parts).sum() if parts else first.new_zeros(())


def _divergence(first: Tensor, second: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    wide = torch.promote_types(first.dtype, torch.float32)
    z, other = (F.linear(features, weight, bias).to(wide) for features in (first, second))
    return divergence(z, other, z.softmax(dim=-1), other.softmax(dim=-1))


def divergence(
    z: Float[Tensor, "*shape"],
    other: Float[Tensor, "*shape"],
    probabilities: Float[Tensor, "*shape"],
    others: Float[Tensor, "*shape"],
) -> Float[Tensor, ""]:
    """The mean of KL(P₁‖P₂) and KL(P₂‖P₁), summed, in nats: ½ Σ (P₁ − P₂)(z₁ − z₂) of logits z, whether P is
    their softmax or the sigmoid of each."""
    return ((probabilities - others) * (z - other)).sum() / 2


def _tiles(features: Tensor, weight: Tensor) -> Iterator[slice]:
    rows = max(64, TILE // len(weight))
    for start in range(0, len(features), rows):
        yield slice(start, start + rows)


def _log_softmax(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    logits = F.linear(features, weight, bias)
    return torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def _losses(log_probs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """−Σ_w q(w) log p(w) of each row."""
    losses = -log_probs.gather(1, targets[:, None]).squeeze(1)
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing * log_probs.mean(dim=1)
    return losses


class _CrossEntropy(Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        floor: float,
        wanted: bool,
    ) -> Tensor:
        ctx.options = smoothing, floor
        ctx.save_for_backward(features, weight, bias, targets)
        total, ctx.gradients = _make(
            features,
            weight,
            bias,
            targets,
            smoothing,
            floor,
            needed=[wanted and n for n in ctx.needs_input_grad[:3]],
        )
        return total

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias, targets = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # these gradients will be differentiated in their turn
            features, weight = apart((features, weight))
            (bias,) = apart((bias,))
            total = _losses(_log_softmax(features, weight, bias), targets, ctx.options[0]).sum()
            inputs = [t for t, need in zip((features, weight, bias), needed, strict=True) if need]
            made = iter(torch.autograd.grad(total * scale, inputs, create_graph=True))
            return *(next(made) if need else None for need in needed), *(None,) * 4
        # Handed over, not copied: a graph that is kept and gone through again makes them again.
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            _, gradients = _make(features, weight, bias, targets, *ctx.options, needed=needed)
        return *(None if g is None else g.mul_(scale.to(g.dtype)) for g in gradients), *(None,) * 4


def _make(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    smoothing: float,
    floor: float,
    *,
    needed: Sequence[bool],
) -> tuple[Tensor, list[Tensor | None]]:
    """The loss, and its gradients by features, weight and bias where they are needed."""
    if not native.applies(features, weight, *(() if bias is None else (bias,))):
        return _make_from_tiles(features, weight, bias, targets, smoothing, floor, needed)
    losses, *gradients = CROSS_ENTROPY(features, weight, bias, targets, smoothing, floor, *needed)
    return losses.sum(), [g if need else None for g, need in zip(gradients, needed, strict=True)]


def _make_from_tiles(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    smoothing: float,
    floor: float,
    needed: Sequence[bool],
) -> tuple[Tensor, list[Tensor | None]]:
    check_targets(targets, len(weight))
    total = features.new_zeros((), dtype=torch.promote_types(features.dtype, torch.float32))
    into = [
        torch.zeros_like(tensor) if need and tensor is not None else None
        for tensor, need in zip((features, weight, bias), needed, strict=True)
    ]
    for rows in _tiles(features, weight):
        x, y = features[rows], targets[rows]
        log_probs = _log_softmax(x, weight, bias)
        total += _losses(log_probs, y, smoothing).sum()
        if any(needed):
            _add_gradients(into, rows, log_probs.exp_(), x, weight, y, smoothing, floor)
    return total, into


def _add_gradients(
    into: list[Tensor | None],
    rows: slice,
    probabilities: Tensor,
    features: Tensor,
    weight: Tensor,
    targets: Tensor,
    smoothing: float,
    floor: float,
) -> None:
    """Add a tile's share to the gradients of features, weight and bias: ∂/∂z = p − q."""
    gradient = probabilities
    if floor:
        gradient.masked_fill_(gradient < floor, 0)
    if smoothing:
        gradient -= smoothing / len(weight)
    gradient.scatter_add_(1, targets[:, None], gradient.new_full((len(targets), 1), smoothing - 1))
    into_features, into_weight, into_bias = into
    gradient = gradient.to(weight.dtype)
    if into_features is not None:
        into_features[rows] = gradient @ weight
    if into_weight is not None:
        into_weight.addmm_(gradient.t(), features.to(weight.dtype))
    if into_bias is not None:
        into_bias += gradient.sum(0)
