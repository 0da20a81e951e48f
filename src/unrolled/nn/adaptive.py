"""From features to the words of a vocabulary: one softmax over all, or the adaptive softmax for large ones.

All have the same doors: ``loss`` to train on, ``log_probs`` of every word, ``target_log_probs`` of some.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.kernels.top import top
from unrolled.nn.loss import projected_cross_entropy, projected_log_probs


class _Softmax:
    """log P(w) = log softmax(W x + b)_w."""

    weight: Tensor
    bias: Tensor | None

    def loss(
        self,
        features: Float[Tensor, "n d"],
        targets: Int[Tensor, " n"],
        *,
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        gradient_floor: float = 0.0,
    ) -> Float[Tensor, ""]:
        """The sum over the counted targets of −log P(target), in nats (:func:`projected_cross_entropy`)."""
        return projected_cross_entropy(
            features,
            self.weight,
            self.bias,
            targets,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            gradient_floor=gradient_floor,
        )

    def log_probs(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n vocabulary"]:
        """log P of every word."""
        return torch.log_softmax(F.linear(features, self.weight, self.bias), dim=-1)

    def target_log_probs(
        self, features: Float[Tensor, "n d"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """log P of each row's target, the logits never held as a whole."""
        return projected_log_probs(features, self.weight, self.bias, targets)


class Projection(_Softmax, nn.Linear):
    """log P(w) = log softmax(W x + b)_w; the bias starts at zero."""

    weight: nn.Parameter
    bias: nn.Parameter | None  # type: ignore[assignment]

    def __init__(self, features: int, vocabulary: int, *, bias: bool = True) -> None:
        super().__init__(features, vocabulary, bias)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


@dataclass(frozen=True, eq=False)
class _Rows(_Softmax):
    """A softmax over some rows of a table."""

    weight: Tensor
    bias: Tensor | None


class ClusteredSoftmax(nn.Module, ABC):
    """Words by how frequent they are (Grave et al. 2017, Efficient softmax approximation for GPUs).

    The head is a softmax over the most frequent words and one entry for each cluster of rarer ones; a cluster
    is a softmax of its own. So log P(w) of a word of cluster i is log P_head(cluster i) + log P_i(w): a
    distribution over all words, exactly normalised; another model than one softmax, not an approximation of
    it. Ids must be ordered by frequency, the most frequent first.

    Args:
        cutoffs: the first ids of the clusters, rising; the last cluster ends with the vocabulary.

    Raises:
        UserError: cutoffs that do not rise or lie outside the vocabulary.
    """

    down: nn.ModuleList
    """What each cluster is told of the features."""

    def __init__(self, vocabulary: int, cutoffs: Sequence[int]) -> None:
        super().__init__()
        bounds = [0, *cutoffs, vocabulary]
        if not cutoffs or any(low >= high for low, high in pairwise(bounds)):
            raise UserError(
                f"cutoffs={list(cutoffs)}: they must rise and be ids of the vocabulary, 1 to {vocabulary - 1}"
            )
        self.clusters = list(pairwise(bounds[1:]))
        """(first id, end) of each."""
        self.shortlist = bounds[1]

    @abstractmethod
    def softmaxes(self) -> tuple[_Softmax, Sequence[_Softmax]]:
        """The head, and each cluster's."""

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
        head, tails = self.softmaxes()
        total = head.loss(features, head_targets, gradient_floor=gradient_floor)
        for (rows, inner), down, tail in zip(members, self.down, tails, strict=True):
            if len(rows):
                part = tail.loss(down(features[rows]), inner, gradient_floor=gradient_floor)
                total = total + part
        return total

    def log_probs(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n vocabulary"]:
        """log P of every word."""
        softmax, tails = self.softmaxes()
        head = softmax.log_probs(features)
        parts = [head[:, : self.shortlist]]
        for i, (down, tail) in enumerate(zip(self.down, tails, strict=True)):
            parts.append(head[:, self.shortlist + i, None] + tail.log_probs(down(features)))
        return torch.cat(parts, dim=1)

    def target_log_probs(
        self, features: Float[Tensor, "n d"], targets: Int[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """log P of each row's target; only the clusters that have targets are looked at."""
        head_targets, members = self._places(targets)
        head, tails = self.softmaxes()
        found = head.target_log_probs(features, head_targets)
        for (rows, inner), down, tail in zip(members, self.down, tails, strict=True):
            if len(rows):
                part = tail.target_log_probs(down(features[rows]), inner)
                found = found.index_add(0, rows, part)
        return found

    def top(self, features: Float[Tensor, "n d"], k: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
        """The k most probable words of each row, best first, ties to the lower id: log P and ids.

        No word of a cluster is more probable than the cluster, so that most clusters need not be looked at.
        """
        softmax, tails = self.softmaxes()
        head = softmax.log_probs(features)
        log_probs = head.new_full((len(head), k), -torch.inf)
        known, ids = top(head[:, : self.shortlist], min(k, self.shortlist))
        log_probs[:, : known.shape[1]] = known
        ids = F.pad(ids, (0, k - ids.shape[1]))
        for i, ((first, end), down, tail) in enumerate(zip(self.clusters, self.down, tails, strict=True)):
            cluster = head[:, self.shortlist + i]
            rows = (cluster > log_probs[:, -1]).nonzero().squeeze(1)
            if len(rows):
                inner = cluster[rows, None] + tail.log_probs(down(features[rows]))
                best, at = top(inner, min(k, end - first))
                log_probs[rows], order = top(torch.cat((log_probs[rows], best), dim=1), k)
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


class AdaptiveSoftmax(ClusteredSoftmax):
    """Clusters of rarer words are softmaxes over features projected down to d/factorⁱ.

    Args:
        cutoffs: as of :class:`ClusteredSoftmax`.
        factor: how much narrower each cluster is than the one before it.

    Raises:
        UserError: as :class:`ClusteredSoftmax` does; a factor below 1.
    """

    def __init__(
        self, features: int, vocabulary: int, *, cutoffs: Sequence[int], factor: float = 4.0
    ) -> None:
        super().__init__(vocabulary, cutoffs)
        if factor < 1:
            raise UserError(f"factor={factor}: it must be at least 1")
        self.head = Projection(features, self.shortlist + len(self.clusters))
        sizes = [max(1, int(features / factor**i)) for i in range(1, len(self.clusters) + 1)]
        self.down = nn.ModuleList(nn.Linear(features, size, bias=False) for size in sizes)
        self.tails = nn.ModuleList(
            Projection(size, end - first) for size, (first, end) in zip(sizes, self.clusters, strict=True)
        )

    def softmaxes(self) -> tuple[Projection, Sequence[Projection]]:
        return self.head, list(self.tails)  # type: ignore[arg-type]


class TableSoftmax(ClusteredSoftmax):
    """Every word is a row of one table, as of :class:`Projection`, which an embedding may share.

    Args:
        cutoffs: as of :class:`ClusteredSoftmax`.

    Raises:
        UserError: as :class:`ClusteredSoftmax` does.
    """

    def __init__(self, features: int, vocabulary: int, *, cutoffs: Sequence[int]) -> None:
        super().__init__(vocabulary, cutoffs)
        self.down = nn.ModuleList(nn.Identity() for _ in self.clusters)
        self.weight = nn.Parameter(torch.empty(vocabulary, features))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.cluster_weight = nn.Parameter(torch.empty(len(self.clusters), features))
        self.cluster_bias = nn.Parameter(torch.zeros(len(self.clusters)))
        for weight in (self.weight, self.cluster_weight):
            nn.init.uniform_(weight, -1 / math.sqrt(features), 1 / math.sqrt(features))

    def softmaxes(self) -> tuple[_Rows, Sequence[_Rows]]:
        # Split at once: the table's gradient is then put together once.
        sizes = [self.shortlist, *(end - first for first, end in self.clusters)]
        (weight, *weights), (bias, *biases) = self.weight.split(sizes), self.bias.split(sizes)
        head = _Rows(torch.cat((weight, self.cluster_weight)), torch.cat((bias, self.cluster_bias)))
        return head, [_Rows(*rows) for rows in zip(weights, biases, strict=True)]


def make_projection(
    features: int, vocabulary: int, *, cutoffs: Sequence[int] = (), tied: bool = False
) -> Projection | AdaptiveSoftmax | TableSoftmax:
    """One softmax over the vocabulary. Where there are cutoffs, clusters of it: rows of one ``weight``, which
    can be tied to an embedding's, or narrower the rarer their words are."""
    if not cutoffs:
        return Projection(features, vocabulary)
    kind = TableSoftmax if tied else AdaptiveSoftmax
    return kind(features, vocabulary, cutoffs=cutoffs)
