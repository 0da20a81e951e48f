"""From features to the words of a vocabulary: one softmax over all, or the adaptive softmax for large ones.

Both have the same doors: ``loss`` to train on, ``log_probs`` of every word, ``target_log_probs`` of some.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.nn.loss import projected_cross_entropy, projected_log_probs


class Projection(nn.Linear):
    """log P(w) = log softmax(W x + b)_w; the bias starts at zero."""

    def __init__(self, features: int, vocabulary: int, *, bias: bool = True) -> None:
        super().__init__(features, vocabulary, bias)
        if bias:
            nn.init.zeros_(self.bias)

    def loss(
        self,
        features: Float[Tensor, "n d"],
        targets: Int[Tensor, " n"],
        *,
        ignore_index: int = -100,
        gradient_floor: float = 0.0,
    ) -> Float[Tensor, ""]:
        """The sum over the counted targets of −log P(target), in nats (:func:`projected_cross_entropy`)."""
        return projected_cross_entropy(
            features,
            self.weight,
            self.bias,
            targets,
            ignore_index=ignore_index,
            gradient_floor=gradient_floor,
        )

    def log_probs(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n vocabulary"]:
        """log P of every word."""
        return torch.log_softmax(self(features), dim=-1)

    def target_log_probs(
        self, features: Float[Tensor, "n d"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """log P of each row's target, the logits never held as a whole."""
        return projected_log_probs(features, self.weight, self.bias, targets)


class AdaptiveSoftmax(nn.Module):
    """Words by how frequent they are (Grave et al. 2017, Efficient softmax approximation for GPUs).

    The head is a softmax over the most frequent words and one entry for each cluster of rarer ones; a cluster
    is a softmax of its own over features projected down to d/factorⁱ. So log P(w) of a word of cluster i is
    log P_head(cluster i) + log P_i(w): a distribution over all words, exactly normalised; another model than
    one softmax, not an approximation of it. Ids must be ordered by frequency, the most frequent first.

    Args:
        cutoffs: the first ids of the clusters, rising; the last cluster ends with the vocabulary.
        factor: how much narrower each cluster is than the one before it.

    Raises:
        UserError: cutoffs that do not rise or lie outside the vocabulary, a factor below 1.
    """

    def __init__(
        self, features: int, vocabulary: int, *, cutoffs: Sequence[int], factor: float = 4.0
    ) -> None:
        super().__init__()
        bounds = [0, *cutoffs, vocabulary]
        if not cutoffs or any(low >= high for low, high in pairwise(bounds)):
            raise UserError(
                f"cutoffs={list(cutoffs)}: they must rise and be ids of the vocabulary, 1 to {vocabulary - 1}"
            )
        if factor < 1:
            raise UserError(f"factor={factor}: it must be at least 1")
        self.clusters = list(pairwise(bounds[1:]))
        """(first id, end) of each."""
        self.shortlist = bounds[1]
        self.head = Projection(features, self.shortlist + len(self.clusters))
        sizes = [max(1, int(features / factor**i)) for i in range(1, len(bounds) - 1)]
        self.down = nn.ModuleList(nn.Linear(features, size, bias=False) for size in sizes)
        self.tails = nn.ModuleList(
            Projection(size, end - first) for size, (first, end) in zip(sizes, self.clusters, strict=True)
        )

    def loss(
        self,
        features: Float[Tensor, "n d"],
        targets: Int[Tensor, " n"],
        *,
        ignore_index: int = -100,
        gradient_floor: float = 0.0,
    ) -> Float[Tensor, ""]:
        """The sum over the counted targets of −log P(target), in nats."""
        counted = targets != ignore_index
        features, targets = features[counted], targets[counted]
        head_targets, members = self._places(targets)
        total = self.head.loss(features, head_targets, gradient_floor=gradient_floor)
        for (rows, inner), down, tail in zip(members, self.down, self.tails, strict=True):
            if len(rows):
                part = tail.loss(down(features[rows]), inner, gradient_floor=gradient_floor)  # type: ignore[operator]
                total = total + part
        return total

    def log_probs(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n vocabulary"]:
        """log P of every word."""
        head = self.head.log_probs(features)
        parts = [head[:, : self.shortlist]]
        for i, (down, tail) in enumerate(zip(self.down, self.tails, strict=True)):
            parts.append(head[:, self.shortlist + i, None] + tail.log_probs(down(features)))  # type: ignore[operator]
        return torch.cat(parts, dim=1)

    def target_log_probs(
        self, features: Float[Tensor, "n d"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """log P of each row's target; only the clusters that have targets are looked at."""
        head_targets, members = self._places(targets)
        found = self.head.target_log_probs(features, head_targets)
        for (rows, inner), down, tail in zip(members, self.down, self.tails, strict=True):
            if len(rows):
                part = tail.target_log_probs(down(features[rows]), inner)  # type: ignore[operator]
                found = found.index_add(0, rows, part)
        return found

    def top(self, features: Float[Tensor, "n d"], k: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
        """The k most probable words of each row, best first: log P and ids, as ``log_probs(…).topk(k)``.

        No word of a cluster is more probable than the cluster, so that most clusters need not be looked at.
        """
        head = self.head.log_probs(features)
        log_probs = head.new_full((len(head), k), -torch.inf)
        known, ids = head[:, : self.shortlist].topk(min(k, self.shortlist))
        log_probs[:, : known.shape[1]] = known
        ids = F.pad(ids, (0, k - ids.shape[1]))
        for i, ((first, end), down, tail) in enumerate(
            zip(self.clusters, self.down, self.tails, strict=True)
        ):
            cluster = head[:, self.shortlist + i]
            rows = (cluster > log_probs[:, -1]).nonzero().squeeze(1)
            if len(rows):
                inner = cluster[rows, None] + tail.log_probs(down(features[rows]))  # type: ignore[operator]
                best, at = inner.topk(min(k, end - first))
                log_probs[rows], order = torch.cat((log_probs[rows], best), dim=1).topk(k)
                ids[rows] = torch.cat((ids[rows], at + first), dim=1).gather(1, order)
        return log_probs, ids

    def _places(self, targets: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The head's target of each row; and for each cluster the rows whose targets it has, and which of its
        words these are."""
        head, members = targets.clone(), []
        for i, (first, end) in enumerate(self.clusters):
            rows = ((targets >= first) & (targets < end)).nonzero().squeeze(1)
            head[rows] = self.shortlist + i
            members.append((rows, targets[rows] - first))
        return head, members

    def extra_repr(self) -> str:
        return f"cutoffs={[first for first, _ in self.clusters]}"


def make_projection(
    features: int, vocabulary: int, *, cutoffs: Sequence[int] = (), factor: float = 4.0
) -> Projection | AdaptiveSoftmax:
    """One softmax over the vocabulary, or, where there are cutoffs, the adaptive one."""
    if not cutoffs:
        return Projection(features, vocabulary)
    return AdaptiveSoftmax(features, vocabulary, cutoffs=cutoffs, factor=factor)
