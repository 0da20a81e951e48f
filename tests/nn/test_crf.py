"""Against every sequence of tags, one by one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from unrolled.nn.crf import CRF, Allowed, Chain, forbid, log_partition, path_score, viterbi

TAGS, LENGTHS = 4, [5, 3, 1]


def problem(seed: int) -> tuple[Tensor, Chain, Tensor]:
    print(f"seed {seed}")
    random = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=random, dtype=torch.float64)  # noqa: E731
    return (
        draw(max(LENGTHS), len(LENGTHS), TAGS),
        Chain(draw(TAGS, TAGS), draw(TAGS), draw(TAGS)),
        torch.tensor(LENGTHS),
    )


def score(emissions: Tensor, chain: Chain, tags: tuple[int, ...]) -> float:
    """s(y) of one sequence, word for word as it is defined."""
    total = chain.start[tags[0]] + chain.stop[tags[-1]]
    total = total + sum(emissions[t, tag] for t, tag in enumerate(tags))
    total = total + sum(chain.transitions[a, b] for a, b in itertools.pairwise(tags))
    return float(total)


@pytest.mark.parametrize("seed", range(5))
def test_partition_score_and_viterbi_against_every_sequence(seed: int) -> None:
    emissions, chain, lengths = problem(seed)
    partition = log_partition(emissions, chain, lengths)
    found, best = viterbi(emissions, chain, lengths)
    for row, length in enumerate(LENGTHS):
        own = emissions[:length, row]
        every = {tags: score(own, chain, tags) for tags in itertools.product(range(TAGS), repeat=length)}
        assert partition[row].item() == pytest.approx(math.log(sum(map(math.exp, every.values()))), abs=1e-10)
        likeliest = max(every, key=every.__getitem__)
        assert tuple(found[:length, row].tolist()) == likeliest
        assert found[length:, row].eq(0).all()
        assert best[row].item() == pytest.approx(every[likeliest], abs=1e-10)
    tags = torch.randint(TAGS, emissions.shape[:2], generator=torch.Generator().manual_seed(seed))
    given = path_score(emissions, chain, tags, lengths)
    for row, length in enumerate(LENGTHS):
        wanted = score(emissions[:length, row], chain, tuple(tags[:length, row].tolist()))
        assert given[row].item() == pytest.approx(wanted, abs=1e-10)


def test_gradients() -> None:
    emissions, chain, lengths = problem(7)
    inputs = [part.requires_grad_() for part in (emissions, *chain)]
    assert torch.autograd.gradcheck(lambda e, *c: log_partition(e, Chain(*c), lengths), inputs)
    # The gradient by an emission is the probability of that tag there.
    (marginals,) = torch.autograd.grad(log_partition(emissions, chain, lengths).sum(), emissions)
    real = torch.arange(max(LENGTHS))[:, None] < lengths
    assert torch.allclose(marginals.sum(-1), real.double())


def test_what_is_forbidden_has_no_probability_and_is_never_decoded() -> None:
    emissions, _, lengths = problem(3)
    may = torch.ones(TAGS, TAGS, dtype=torch.bool)
    may[1, 2] = may[2, 2] = may[0, 1] = False
    ends = torch.tensor([True, True, False, True])
    allowed = Allowed(may, torch.tensor([True, False, True, True]), ends)
    crf = CRF(TAGS, allowed).double()
    emissions[:, :, 2] += 1000.0  # however much a network wants it
    found, _ = viterbi(emissions, crf.chain(), lengths)
    for row, length in enumerate(LENGTHS):
        tags = found[:length, row].tolist()
        assert tags[0] != 1
        assert tags[-1] != 2
        assert all(may[a, b] for a, b in itertools.pairwise(tags))
    emissions[:, :, 2] -= 1000.0
    legal = [
        tags
        for tags in itertools.product(range(TAGS), repeat=3)
        if tags[0] != 1 and tags[-1] != 2 and all(may[a, b] for a, b in itertools.pairwise(tags))
    ]
    rows = torch.tensor(legal).t()
    same = emissions[:3, 1:2].expand(3, len(legal), TAGS)
    log_probs = crf.log_probs(same, rows, torch.full((len(legal),), 3))
    assert log_probs.exp().sum().item() == pytest.approx(1.0, abs=1e-9), "the legal ones share it all"


def test_training_stays_finite_where_a_tag_cannot_be_reached() -> None:
    allowed = Allowed(
        torch.tensor([[True, False], [True, False]]), torch.tensor([True, False]), torch.ones(2).bool()
    )
    crf = CRF(2, allowed)
    emissions = torch.randn(3, 2, 2, requires_grad=True)
    loss = -crf.log_probs(emissions, torch.zeros(3, 2, dtype=torch.long), torch.tensor([3, 2])).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-4)
    assert all(torch.isfinite(p.grad).all() for p in crf.parameters() if p.grad is not None)


def test_a_chain_that_scores_nothing_takes_the_best_of_each() -> None:
    emissions, _, lengths = problem(4)
    found, _ = viterbi(emissions, forbid(CRF(TAGS).double().chain(), None), lengths)
    real = torch.arange(max(LENGTHS))[:, None] < lengths
    assert torch.equal(found, emissions.argmax(-1).where(real, 0))


@pytest.mark.parametrize("seed", range(3))
def test_steps_against_every_continuation(seed: int) -> None:
    emissions, chain, lengths = problem(seed)
    crf = CRF(TAGS).double()
    with torch.no_grad():
        for name, value in zip(("transitions", "start", "stop"), chain, strict=True):
            getattr(crf, name).copy_(value)
        tags = torch.randint(TAGS, emissions.shape[:2], generator=torch.Generator().manual_seed(seed))
        steps = crf.step_log_probs(emissions, tags, lengths)
        torch.testing.assert_close(steps.sum(0), crf.log_probs(emissions, tags, lengths))
        padded = tags.where(torch.arange(len(tags))[:, None] < lengths, -100)
        assert torch.equal(crf.log_probs(emissions, padded, lengths), crf.log_probs(emissions, tags, lengths))
        assert torch.equal(crf.step_log_probs(emissions, padded, lengths), steps)
    for row, length in enumerate(LENGTHS):
        own, given = emissions[:length, row], tuple(tags[:length, row].tolist())
        every = {each: score(own, chain, each) for each in itertools.product(range(TAGS), repeat=length)}

        def mass(before: tuple[int, ...], every: dict[tuple[int, ...], float] = every) -> float:
            return math.log(sum(math.exp(s) for each, s in every.items() if each[: len(before)] == before))

        for step in range(length):
            expected = mass(given[: step + 1]) - mass(given[:step])
            assert float(steps[step, row]) == pytest.approx(expected, abs=1e-10)
        assert not steps[length:, row].any()
