from __future__ import annotations

import pytest
import torch

from unrolled.decoding import BeamTrace, beam_search

PAD, UNK, BOS, EOS = 0, 1, 2, 3


def traced(decoder, beam, **options):
    trace = BeamTrace()
    options = {"max_length": 6, "bos": BOS, "eos": EOS, "banned": (PAD, UNK, BOS), "nbest": beam} | options
    found = beam_search(decoder, torch.arange(4), beam=beam, trace=trace, **options)
    return trace, found


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize("seed", range(10))
def test_winning_paths_spell_the_hypotheses(tables, beam, seed):
    trace, found = traced(tables.random(seed), beam)
    for nodes, winners, hypotheses in zip(trace.sentences, trace.winners, found, strict=True):
        assert len(winners) == len(hypotheses)
        for path, hypothesis in zip(winners, hypotheses, strict=True):
            assert [nodes[i].token for i in path] == [*hypothesis.tokens, EOS]
            assert [nodes[i].log_prob for i in path] == hypothesis.token_log_probs
            assert nodes[path[-1]].score == hypothesis.score
            assert nodes[path[-1]].fate == "finished"


@pytest.mark.parametrize("seed", range(10))
def test_the_tree_holds_what_the_table_says(tables, seed):
    decoder = tables.random(seed)
    trace, found = traced(decoder, 3)
    for sentence, nodes in enumerate(trace.sentences):
        for node in nodes:
            parent = nodes[node.parent] if node.parent is not None else None
            assert node.step == (parent.step + 1 if parent else 1)
            assert parent is None or parent.fate == "open"
            before = [parent.token if parent else BOS]
            above = nodes[parent.parent] if parent and parent.parent is not None else None
            before.insert(0, above.token if above else BOS)
            assert node.log_prob == float(decoder.table[sentence, before[0], before[1], node.token])
            assert node.total == pytest.approx((parent.total if parent else 0.0) + node.log_prob)
            assert node.score == pytest.approx(node.total / node.step**0.7)
        for step in {node.step for node in nodes}:
            here = [node for node in nodes if node.step == step]
            kept = [node.total for node in here if node.fate != "cut"]
            cut = [node.total for node in here if node.fate == "cut"]
            ended = sum(node.fate == "finished" for node in nodes if node.step < step)
            assert len(kept) <= 3 - ended
            assert not cut or min(kept) >= max(cut)
        assert sum(node.fate == "finished" for node in nodes) >= len(found[sentence])


def test_looking_on_changes_nothing(tables):
    decoder = tables.random(5)
    _, found = traced(decoder, 4)
    plain = beam_search(
        decoder, torch.arange(4), beam=4, nbest=4, max_length=6, bos=BOS, eos=EOS, banned=(PAD, UNK, BOS)
    )
    assert found == plain
