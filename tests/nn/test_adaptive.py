from __future__ import annotations

import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn.adaptive import AdaptiveSoftmax, ClusteredSoftmax, Projection, TableSoftmax, make_projection
from unrolled.nn.embedding import Embedding, tie

CUTOFFS = (6, 15)
Pair = tuple[ClusteredSoftmax, nn.AdaptiveLogSoftmaxWithLoss]


def narrowing() -> tuple[AdaptiveSoftmax, nn.AdaptiveLogSoftmaxWithLoss]:
    ours = AdaptiveSoftmax(16, 40, cutoffs=CUTOFFS, factor=2.0).double()
    theirs = nn.AdaptiveLogSoftmaxWithLoss(16, 40, list(CUTOFFS), div_value=2.0, head_bias=True).double()
    with torch.no_grad():
        nn.init.normal_(ours.head.bias)
        theirs.head.weight.copy_(ours.head.weight)
        theirs.head.bias.copy_(ours.head.bias)
        for down, tail, theirs_tail in zip(ours.down, ours.tails, theirs.tail, strict=True):
            theirs_tail[0].weight.copy_(down.weight)
            theirs_tail[1].weight.copy_(tail.weight)
    return ours, theirs


def of_a_table() -> tuple[TableSoftmax, nn.AdaptiveLogSoftmaxWithLoss]:
    ours = TableSoftmax(16, 40, cutoffs=CUTOFFS).double()
    theirs = nn.AdaptiveLogSoftmaxWithLoss(16, 40, list(CUTOFFS), div_value=1.0, head_bias=True).double()
    with torch.no_grad():
        nn.init.normal_(ours.bias[: CUTOFFS[0]])
        nn.init.normal_(ours.cluster_bias)
        theirs.head.weight.copy_(torch.cat((ours.weight[: CUTOFFS[0]], ours.cluster_weight)))
        theirs.head.bias.copy_(torch.cat((ours.bias[: CUTOFFS[0]], ours.cluster_bias)))
        for (first, end), theirs_tail in zip(ours.clusters, theirs.tail, strict=True):
            theirs_tail[0].weight.copy_(torch.eye(16))
            theirs_tail[1].weight.copy_(ours.weight[first:end])
    return ours, theirs


@pytest.fixture(params=[narrowing, of_a_table])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Ours and torch's with the same weights; torch's tails have no bias."""
    torch.manual_seed(3)
    return request.param()


def example(n: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(4)
    return torch.randn(n, 16, dtype=torch.double, requires_grad=True), torch.randint(40, (n,))


def test_loss_and_gradients_are_torchs() -> None:
    torch.manual_seed(3)
    (ours, theirs), (features, targets) = narrowing(), example()
    loss, expected = ours.loss(features, targets), -theirs(features, targets).output.sum()
    torch.testing.assert_close(loss, expected)
    found = torch.autograd.grad(loss, (features, ours.head.weight, ours.down[1].weight, ours.tails[0].weight))
    wanted = torch.autograd.grad(
        expected, (features, theirs.head.weight, theirs.tail[1][0].weight, theirs.tail[0][1].weight)
    )
    torch.testing.assert_close(found, wanted)


def test_loss_and_gradients_of_a_table_are_torchs() -> None:
    torch.manual_seed(3)
    (ours, theirs), (features, targets) = of_a_table(), example()
    loss, expected = ours.loss(features, targets), -theirs(features, targets).output.sum()
    torch.testing.assert_close(loss, expected)
    found = torch.autograd.grad(loss, (features, ours.weight, ours.cluster_weight, ours.cluster_bias))
    of_features, head, head_bias, *tails = torch.autograd.grad(
        expected,
        (features, theirs.head.weight, theirs.head.bias, theirs.tail[0][1].weight, theirs.tail[1][1].weight),
    )
    clusters = len(ours.clusters)
    wanted = of_features, torch.cat((head[:-clusters], *tails)), head[-clusters:], head_bias[-clusters:]
    torch.testing.assert_close(found, wanted)


def test_a_table_is_shared_with_an_embedding() -> None:
    torch.manual_seed(3)
    embedding, projection = Embedding(40, 16), TableSoftmax(16, 40, cutoffs=CUTOFFS)
    tie(embedding, projection)
    assert projection.weight is embedding.weight
    projection.loss(torch.randn(3, 16), torch.tensor([2, 10, 30])).backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.abs().sum(1).all()  # of a target's softmax every word has a share


def test_log_probs_are_torchs_and_sum_to_one(pair: Pair) -> None:
    ours, theirs = pair
    features, targets = example()
    log_probs = ours.log_probs(features)
    torch.testing.assert_close(log_probs, theirs.log_prob(features))
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(30, dtype=torch.double))
    with torch.no_grad():
        torch.testing.assert_close(
            ours.target_log_probs(features, targets), log_probs[torch.arange(30), targets].detach()
        )


@pytest.mark.parametrize("k", [1, 3, 6, 9, 40])
def test_top_is_that_of_all_log_probs(pair: Pair, k: int) -> None:
    ours, _ = pair
    features, _ = example()
    for scale in (0.1, 1.0, 8.0):  # flat distributions look into every cluster, peaked ones into few
        expected, expected_ids = ours.log_probs(features * scale).topk(k)
        log_probs, ids = ours.top(features * scale, k)
        torch.testing.assert_close(log_probs, expected)
        assert torch.equal(ids, expected_ids)


@pytest.mark.parametrize("k", [1, 3, 9, 20])
def test_equal_words_go_to_the_lower_id(pair: Pair, k: int) -> None:
    ours, _ = pair
    features, _ = example(200)
    expected, order = ours.log_probs(features * 0).sort(dim=-1, descending=True, stable=True)
    log_probs, ids = ours.top(features * 0, k)  # the words of a cluster are equal
    torch.testing.assert_close(log_probs, expected[:, :k])
    assert torch.equal(ids, order[:, :k])


@pytest.mark.parametrize("cutoffs", [(), CUTOFFS])
def test_ignored_targets_count_for_nothing(cutoffs: tuple[int, ...]) -> None:
    torch.manual_seed(5)
    projection = make_projection(16, 40, cutoffs=cutoffs).double()
    features, targets = example()
    some = targets.clone()
    some[::3] = 0  # also the id of padding, the most frequent "word"
    loss = projection.loss(features, some, ignore_index=0)
    left = some != 0
    torch.testing.assert_close(loss, projection.loss(features[left], some[left]))
    assert projection.loss(features[:0], targets[:0]) == 0


def test_targets_of_one_cluster_leave_the_others_without_gradient() -> None:
    ours, _ = narrowing()
    features, _ = example(5)
    ours.loss(features, torch.full((5,), 7)).backward()
    assert ours.tails[0].weight.grad is not None
    assert ours.tails[1].weight.grad is None


def test_without_cutoffs_it_is_one_softmax() -> None:
    projection = make_projection(4, 9)
    assert isinstance(projection, Projection)
    features = torch.randn(3, 4)
    torch.testing.assert_close(
        projection.target_log_probs(features.detach(), torch.tensor([0, 8, 3])).detach(),
        projection.log_probs(features)[torch.arange(3), torch.tensor([0, 8, 3])].detach(),
    )


@pytest.mark.parametrize("cutoffs", [(5, 5), (9,), (0, 3), (12,), (-1,)])
def test_cutoffs_that_make_no_clusters_are_refused(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"cutoffs=.*1 to 8"):
        AdaptiveSoftmax(4, 9, cutoffs=cutoffs)
    with pytest.raises(UserError, match="factor=0"):
        AdaptiveSoftmax(4, 9, cutoffs=(3,), factor=0.5)


def test_ignored_targets_count_in_no_cluster(pair):
    features, targets = example()
    targets[3], targets[4] = 20, 20
    counted = targets != 20
    found = pair[0].loss(features, targets, ignore_index=20)
    torch.testing.assert_close(found, pair[0].loss(features[counted], targets[counted]))
