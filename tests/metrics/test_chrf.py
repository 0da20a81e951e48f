from __future__ import annotations

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.metrics import chrf

LINES = st.lists(
    st.sampled_from(["cat", "Cat", "(hi)", "mat.", "é", "a", "..", "«x»", "1,000"]), max_size=6
).map(" ".join) | st.text("ab .", max_size=9)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(LINES, st.lists(LINES, min_size=1, max_size=3)), min_size=1, max_size=4),
    st.sampled_from([0, 2]),
    st.booleans(),
    st.sampled_from([1, 2, 3]),
)
def test_any_corpus_equals_sacrebleu(pairs, word_order, lowercase, beta):
    hypotheses, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    metric = sacrebleu.CHRF(word_order=word_order, lowercase=lowercase, beta=beta)
    most = max(len(each) for each in references)
    streams = [[each[i] if i < len(each) else None for each in references] for i in range(most)]
    theirs = metric.corpus_score(hypotheses, streams)
    ours = chrf(hypotheses, references, word_order=word_order, lowercase=lowercase, beta=beta)
    assert ours.value == pytest.approx(theirs.score, abs=1e-9, rel=0)
    assert ours.name == theirs.name
    assert ours.signature.split("|")[1:-1] == str(metric.get_signature()).split("|")[:-1]


def test_identical_text_scores_100_and_disjoint_text_0():
    assert chrf(["a b c", "d"], [["a b c"], ["x", "d"]]).value == pytest.approx(100.0)
    assert chrf(["abc"], [["xyz"]]).value == 0.0
    assert chrf([""], [[""]]).value == 0.0


def test_impossible_orders_are_named():
    with pytest.raises(UserError, match="at least one must be above 0"):
        chrf(["a"], [["a"]], character_order=0)


def test_multi30k_scores_as_sacrebleu_does(data, multi30k_outputs):
    outputs, references = multi30k_outputs(data)
    theirs = sacrebleu.CHRF().corpus_score(outputs, [[line for (line,) in references]])
    assert chrf(outputs, references).value == pytest.approx(theirs.score, abs=1e-9, rel=0)
