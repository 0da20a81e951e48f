"""The greatest of each row, in the order in which the native step (``kernels.step``) chooses them."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor


def top(scores: Float[Tensor, "rows n"], k: int) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """The ``k`` greatest of each row (all, if there are fewer) in descending order, ties to the lower index.

    ``torch.topk`` alone leaves open which of equal entries it takes, and in which order.
    """
    if k == 1:
        values, ids = scores.max(dim=-1, keepdim=True)
        return values, ids
    if k >= scores.shape[-1]:
        return scores.sort(dim=-1, descending=True, stable=True)
    values, ids = scores.topk(k + 1, dim=-1)
    ids, by_id = ids.sort(dim=-1)
    values, by_value = values.gather(1, by_id).sort(dim=-1, descending=True, stable=True)
    ids = ids.gather(1, by_value)
    # Where the last to be taken equals the first to be left, others may equal it, too.
    open_ended = (values[:, k] == values[:, k - 1]) & values[:, k].isfinite()
    values, ids = values[:, :k], ids[:, :k]
    if bool(open_ended.any()):
        rows = open_ended.nonzero()[:, 0]
        sorted_values, sorted_ids = scores[rows].sort(dim=-1, descending=True, stable=True)
        values[rows], ids[rows] = sorted_values[:, :k], sorted_ids[:, :k]
    return values, ids
