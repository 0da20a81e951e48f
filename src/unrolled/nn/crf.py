"""A linear-chain conditional random field (Lafferty et al. 2001): a score for every sequence of tags.

With emissions ``e`` (what a network says of each tag at each position), start scores ``b``, transitions ``A``
(from the row's tag to the column's) and stop scores ``z``, tags y⟨1⟩ … y⟨T⟩ score

    s(y) = b[y⟨1⟩] + Σ e⟨t⟩[y⟨t⟩] + Σ A[y⟨t−1⟩, y⟨t⟩] + z[y⟨T⟩]   and   log P(y) = s(y) − log Σ exp s(y′).

Every function is batched, time first; each sequence has at least one real position.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

_UNLIKELY = -1e4
"""What a forbidden step scores in training: finite, lest a gradient be the difference of infinities."""


class Chain(NamedTuple):
    """What tags score beside their emissions."""

    transitions: Float[Tensor, "tags tags"]
    start: Float[Tensor, " tags"]
    stop: Float[Tensor, " tags"]


class Allowed(NamedTuple):
    """Which tag may follow which, begin a sequence, end one."""

    transitions: Bool[Tensor, "tags tags"]
    start: Bool[Tensor, " tags"]
    stop: Bool[Tensor, " tags"]


def forbid(chain: Chain, allowed: Allowed | None, score: float = -torch.inf) -> Chain:
    """The chain in which what is not allowed scores ``score``."""
    if allowed is None:
        return chain
    return Chain(*(part.masked_fill(~may, score) for part, may in zip(chain, allowed, strict=True)))


def log_partition(
    emissions: Float[Tensor, "time batch tags"], chain: Chain, lengths: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """log Σ exp s(y) over all sequences of tags: the forward algorithm."""
    alpha = chain.start + emissions[0]
    for step in range(1, len(emissions)):
        after = torch.logsumexp(alpha[:, :, None] + chain.transitions, dim=1) + emissions[step]
        alpha = after.where((step < lengths)[:, None], alpha)
    return torch.logsumexp(alpha + chain.stop, dim=1)


def path_score(
    emissions: Float[Tensor, "time batch tags"],
    chain: Chain,
    tags: Int[Tensor, "time batch"],
    lengths: Int[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    """s(y) of given tags; those past a length may be any number, no tag's too."""
    real = torch.arange(len(tags), device=tags.device)[:, None] < lengths
    tags = tags.where(real, 0)
    steps = emissions.gather(2, tags[..., None]).squeeze(2)
    steps = torch.cat((steps[:1], steps[1:] + chain.transitions[tags[:-1], tags[1:]]))
    last = tags.gather(0, lengths[None] - 1).squeeze(0)
    return chain.start[tags[0]] + steps.where(real, 0).sum(0) + chain.stop[last]


@torch.no_grad()
def viterbi(
    emissions: Float[Tensor, "time batch tags"], chain: Chain, lengths: Int[Tensor, " batch"]
) -> tuple[Int[Tensor, "time batch"], Float[Tensor, " batch"]]:
    """The tags that score most, 0 past each length, and their score."""
    best = chain.start + emissions[0]
    stay = torch.arange(best.shape[1], device=best.device).expand_as(best)
    origins = []
    for step in range(1, len(emissions)):
        score, origin = (best[:, :, None] + chain.transitions).max(dim=1)
        real = (step < lengths)[:, None]
        best = (score + emissions[step]).where(real, best)
        origins.append(origin.where(real, stay))
    score, tag = (best + chain.stop).max(dim=1)
    # Past a length every tag's origin is itself, so that all walks begin at the last step.
    path = [tag]
    for origin in reversed(origins):
        tag = origin.gather(1, tag[:, None]).squeeze(1)
        path.append(tag)
    found = torch.stack(path[::-1])
    return found.where(torch.arange(len(found), device=found.device)[:, None] < lengths, 0), score


class CRF(nn.Module):
    """The trained scores of a chain. All start at zero, where every sequence's score is its emissions'.

    Args:
        tags: how many there are.
        allowed: what may follow what; the rest has no probability and is never decoded.
    """

    def __init__(self, tags: int, allowed: Allowed | None = None) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start = nn.Parameter(torch.zeros(tags))
        self.stop = nn.Parameter(torch.zeros(tags))
        for name in Allowed._fields:
            mask = None if allowed is None else getattr(allowed, name)
            self.register_buffer(f"allowed_{name}", mask, persistent=False)

    def chain(self, forbidden: float = -torch.inf) -> Chain:
        """The scores, with ``forbidden`` where a step is not allowed."""
        scores = Chain(self.transitions, self.start, self.stop)
        masks = [getattr(self, f"allowed_{name}") for name in Allowed._fields]
        return forbid(scores, None if masks[0] is None else Allowed(*masks), forbidden)

    def log_probs(
        self,
        emissions: Float[Tensor, "time batch tags"],
        tags: Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """log P of given tags, in nats; its negative is the loss."""
        chain = self.chain(_UNLIKELY)
        return path_score(emissions, chain, tags, lengths) - log_partition(emissions, chain, lengths)

    def step_log_probs(
        self,
        emissions: Float[Tensor, "time batch tags"],
        tags: Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "time batch"]:
        """log P of each tag given the emissions and the tags before it, 0 past each length.

        Over time they sum to :meth:`log_probs`. With β⟨t⟩(y) = log Σ exp of what may follow y after t (the
        backward algorithm): log P(y⟨t⟩ | y⟨<t⟩) = A[y⟨t−1⟩, y⟨t⟩] + e⟨t⟩[y⟨t⟩] + β⟨t⟩(y⟨t⟩) − β⟨t−1⟩(y⟨t−1⟩).
        """
        real = torch.arange(len(tags), device=tags.device)[:, None] < lengths
        tags = tags.where(real, 0)
        chain = self.chain(_UNLIKELY)
        rest = chain.stop.expand_as(emissions[0])
        after = [rest]
        for step in range(len(emissions) - 1, 0, -1):
            new = torch.logsumexp(chain.transitions + (emissions[step] + rest)[:, None], dim=2)
            rest = new.where((step < lengths)[:, None], rest)
            after.append(rest)
        total = torch.logsumexp(chain.start + emissions[0] + rest, dim=1)
        chosen = torch.stack(after[::-1]).gather(2, tags[..., None]).squeeze(2)
        moves = torch.cat((chain.start[tags[:1]], chain.transitions[tags[:-1], tags[1:]]))
        before = torch.cat((total[None], chosen[:-1]))
        found = moves + emissions.gather(2, tags[..., None]).squeeze(2) + chosen - before
        return found.where(real, 0)
