from __future__ import annotations

import math

import pytest
import torch

from unrolled.decoding.candidates import extend, extend_or_end

BOS, EOS = 2, 3


def test_forbidden_tokens_are_passed_over(tables):
    decoder = tables.random(0)
    state, tokens = decoder.start(torch.arange(4)), torch.full((4,), BOS)
    _, log_probs, ids = extend(decoder, state, tokens, 3, torch.tensor([0, 5]))
    allowed = decoder.table[:, BOS, BOS].clone()
    allowed[:, [0, 5]] = -math.inf
    expected, order = allowed.sort(dim=-1, descending=True)
    assert torch.equal(log_probs, expected[:, :3])
    assert torch.equal(ids, order[:, :3])


def test_more_candidates_than_words_are_what_there_is(tables):
    decoder = tables.random(0, vocabulary=5)
    state, tokens = decoder.start(torch.arange(4)), torch.full((4,), BOS)
    _, log_probs, _ = extend(decoder, state, tokens, 30, torch.tensor([0, 1]))
    assert (log_probs.isfinite().sum(-1) == 3).all()


@pytest.mark.parametrize("at_once", [False, True])
def test_rows_at_their_end_may_only_end(tables, top_tables, at_once):
    decoder = (top_tables if at_once else tables).random(0)
    state, tokens = decoder.start(torch.arange(4)), torch.full((4,), BOS)
    last = torch.tensor([True, False, True, False])
    _, log_probs, ids = extend_or_end(decoder, state, tokens, 3, torch.tensor([0]), last, EOS)
    _, free_log_probs, free_ids = extend(decoder, state, tokens, 3, torch.tensor([0]))
    assert ids[last, 0].tolist() == [EOS, EOS]
    assert torch.equal(log_probs[last, 0], decoder.table[[0, 2], BOS, BOS, EOS])
    assert (log_probs[last, 1:] == -math.inf).all()
    assert torch.equal(log_probs[~last], free_log_probs[~last])
    assert torch.equal(ids[~last], free_ids[~last])
