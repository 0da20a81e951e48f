from __future__ import annotations

import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn.embedding import Embedding, tie


def test_looks_up_rows():
    torch.manual_seed(0)
    table = Embedding(5, 3)
    ids = torch.tensor([[1, 4], [2, 0]])
    vectors = table(ids)
    assert vectors.shape == (2, 2, 3)
    assert torch.equal(vectors[0, 1], table.weight[4])
    assert vectors[1, 1].eq(0).all()


def test_padding_stays_zero_even_when_its_row_is_not():
    table = Embedding(5, 3)
    with torch.no_grad():
        table.weight.fill_(1)  # as a tied projection's gradient would
    vectors = table(torch.tensor([0, 1]))
    assert vectors.tolist() == [[0, 0, 0], [1, 1, 1]]
    vectors.sum().backward()
    assert table.weight.grad[:, 0].tolist() == [0, 1, 0, 0, 0]


def test_without_padding_every_row_is_a_word():
    assert Embedding(3, 200, padding=None)(torch.tensor([0])).norm() > 0.5


def test_fresh_rows_have_length_one():
    torch.manual_seed(0)
    norms = Embedding(200, 400).weight[1:].norm(dim=1)
    assert abs(norms.mean() - 1) < 0.02


def test_fresh_rows_are_as_large_as_asked():
    torch.manual_seed(0)
    assert abs(Embedding(200, 400, scale=0.25).weight[1:].std() - 0.25) < 0.01


def test_dropout_only_while_training():
    torch.manual_seed(0)
    table = Embedding(2, 1000, dropout=0.5)
    ids = torch.ones(20, dtype=torch.int64)
    share = (table(ids) == 0).double().mean()
    assert abs(share - 0.5) < 0.02
    assert torch.equal(table.eval()(ids)[7], table.weight[1])


def test_word_dropout_takes_whole_vectors():
    torch.manual_seed(0)
    table = Embedding(2, 8, word_dropout=0.3)
    gone = (table(torch.ones(5000, dtype=torch.int64)) == 0).sum(1)
    assert set(gone.tolist()) == {0, 8}
    assert abs((gone == 8).double().mean() - 0.3) < 0.03


def test_takes_the_rows_that_are_given():
    table = Embedding(4, 2)
    before = table.weight.detach().clone()
    vectors = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    table.load_rows(torch.tensor([2, 0]), vectors)
    assert torch.equal(table.weight[2], vectors[0])
    assert torch.equal(table.weight[3], before[3])
    assert table.weight[0].eq(0).all(), "padding stays zero"
    with pytest.raises(UserError, match="set the embedding size to 3"):
        table.load_rows(torch.tensor([1]), torch.zeros(1, 3))


@pytest.mark.parametrize("option", [{"dropout": -0.5}, {"dropout": 1.0}, {"word_dropout": 2}])
def test_shares_that_are_none_are_refused(option):
    with pytest.raises(UserError, match="must be at least 0 and less than 1"):
        Embedding(4, 2, **option)


def test_a_table_that_is_not_tuned_takes_no_gradient():
    assert Embedding(4, 2).weight.requires_grad
    assert not Embedding(4, 2, tuned=False).weight.requires_grad


def test_tied_modules_share_one_weight():
    table, projection = Embedding(6, 3), nn.Linear(3, 6)
    tie(table, projection)
    assert projection.weight is table.weight
    with pytest.raises(UserError, match="one size"):
        tie(table, nn.Linear(4, 6))
