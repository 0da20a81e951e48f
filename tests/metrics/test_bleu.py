from __future__ import annotations

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.metrics import bleu

WORDS = [
    "the",
    "The",
    "cat",
    "mat",
    "1,000",
    "3.14",
    "x-y",
    "5-6",
    "(z)",
    "&amp;",
    "&quot;a",
    "It's",
    ".",
    ",",
    "é.",
]
LINES = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
)


def oracle(hypotheses, references, tokenize="13a", lowercase=False, smooth="exp", effective_order=False):
    metric = sacrebleu.BLEU(
        tokenize=tokenize,
        lowercase=lowercase,
        smooth_method=smooth,
        effective_order=effective_order,
        force=True,
    )
    most = max(len(each) for each in references)
    streams = [[each[i] if i < len(each) else None for each in references] for i in range(most)]
    return metric.corpus_score(hypotheses, streams), str(metric.get_signature())


def assert_equal(ours, theirs):
    assert ours.score == pytest.approx(theirs.score, abs=1e-9, rel=0)
    assert ours.precisions == pytest.approx(theirs.precisions, abs=1e-9, rel=0)
    assert ours.brevity_penalty == pytest.approx(theirs.bp, abs=1e-12, rel=0)
    assert (ours.hypothesis_length, ours.reference_length) == (theirs.sys_len, theirs.ref_len)
    assert (ours.correct, ours.total) == (theirs.counts, theirs.totals)


def test_the_example_of_the_lecture():
    score = bleu(
        ["the cat the cat on the mat"], [["the cat is on the mat", "there is a cat on the mat"]], "none"
    )
    assert (score.correct[:2], score.total[:2]) == ([5, 4], [7, 6])
    assert score.precisions[0] == pytest.approx(100 * 5 / 7, abs=1e-12)
    assert score.precisions[1] == pytest.approx(100 * 4 / 6, abs=1e-12)
    # Two references are as close in length (6 and 7 words against 7): the closest has 7.
    assert (score.hypothesis_length, score.reference_length, score.brevity_penalty) == (7, 7, 1.0)


def test_the_closest_reference_counts_and_the_shorter_of_two_as_close():
    assert bleu(["a b c d"], [["a b c", "a b c d e"]]).reference_length == 3
    assert bleu(["a b c d"], [["a b c d e", "a b c"]]).reference_length == 3
    assert bleu(["a b c d"], [["a", "a b c d e f"]]).reference_length == 6


@pytest.mark.parametrize("effective_order", [False, True])
@pytest.mark.parametrize("smooth", ["exp", "none"])
@pytest.mark.parametrize("tokenize", ["13a", "none"])
@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        ([""], [["a b"]]),
        (["a b"], [[""]]),
        ([""], [[""]]),
        (["", "a b c d e"], [["a"], ["a b c d e"]]),
        (["a"], [["a"]]),
        (["a"], [["b"]]),
        (["x y z w v"], [["a b c d e"]]),
        (["a b c"], [["a b c"]]),
        (["a b c", "a b"], [["a b c"], ["a b"]]),
        (["a b c d e"], [["a b c d", "b c d e f", "a b"]]),
        (["a b c d e", "a"], [["a b c d", "b c d e f"], ["a"]]),
        (["a a a a a"], [["a", "a a"]]),
        (["  a\tb  c d ", "\u00a0"], [["a b c d\n"], ["\u3000"]]),
        (["<skipped>a &lt;b&gt; &amp;quot; 1,2.3-4 -\nx"], [['a <b> " 1,2.3 -4 x', "&quot;"]]),
        (["a." * 30], [["a ." * 30]]),
    ],
)
def test_degenerate_input_equals_sacrebleu(hypotheses, references, tokenize, smooth, effective_order):
    options = {"tokenize": tokenize, "smooth": smooth, "effective_order": effective_order}
    assert_equal(bleu(hypotheses, references, **options), oracle(hypotheses, references, **options)[0])


@settings(max_examples=400)
@given(
    st.lists(st.tuples(LINES, st.lists(LINES, min_size=1, max_size=3)), min_size=1, max_size=5),
    st.sampled_from(["13a", "none"]),
    st.booleans(),
    st.sampled_from(["exp", "none"]),
    st.booleans(),
)
def test_any_corpus_equals_sacrebleu(pairs, tokenize, lowercase, smooth, effective_order):
    hypotheses, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    options = {
        "tokenize": tokenize,
        "lowercase": lowercase,
        "smooth": smooth,
        "effective_order": effective_order,
    }
    theirs, their_signature = oracle(hypotheses, references, **options)
    ours = bleu(hypotheses, references, **options)
    assert_equal(ours, theirs)
    assert ours.signature.split("|")[1:-1] == their_signature.split("|")[:-1]


@settings(max_examples=100)
@given(LINES, st.lists(LINES, min_size=1, max_size=3))
def test_a_single_sentence_equals_sacrebleus_sentence_bleu(hypothesis, references):
    theirs = sacrebleu.sentence_bleu(hypothesis, references)
    assert bleu([hypothesis], [references]).score == pytest.approx(theirs.score, abs=1e-9, rel=0)


def test_effective_order_is_for_single_sentences_only():
    assert bleu(["a b c"], [["a b c"]]).score == pytest.approx(100.0)
    assert "eff:yes" in bleu(["a b c"], [["a b c"]]).signature
    assert bleu(["a b c", "a b"], [["a b c"], ["a b"]]).score == 0.0
    assert bleu(["a b c"], [["a b c"]], effective_order=False).score == 0.0


def test_order_of_references_is_of_no_account():
    one = bleu(["a b c d", "e f"], [["a b d", "c d a b"], ["e", "f e", "e f g"]])
    other = bleu(["a b c d", "e f"], [["c d a b", "a b d"], ["e f g", "e", "f e"]])
    assert one.details == other.details


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], []), "no segments"),
        ((["a"], []), "1 hypotheses but references for 0 segments"),
        ((["a", "b"], [["a"]]), "2 hypotheses but references for 1 segments"),
        ((["a"], [[]]), "segment 1 has no reference"),
        ((["a"], ["a"]), "references of segment 1 are one string"),
        (("a b", [["a"]]), "hypotheses is one string"),
        ((["a"], [["a"]], "13b"), "tokenize '13b' is not known: did you mean '13a'?"),
        ((["a"], [["a"]], "none", False, "add"), "smooth 'add' is not known: known: exp, none"),
    ],
)
def test_what_cannot_be_scored_is_named(arguments, says):
    with pytest.raises(UserError) as error:
        bleu(*arguments)
    assert says in str(error.value)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_shorter_n_grams(order: int) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    hypotheses = ["the cat sat on a mat", "there is a dog", "two birds"]
    references = [
        ["a cat sat on the mat", "the cat was on a mat"],
        ["there is a dog there", "a dog"],
        ["birds", "2 birds sing"],
    ]
    oracle = sacrebleu.BLEU(max_ngram_order=order, tokenize="none", force=True)
    expected = oracle.corpus_score(hypotheses, list(zip(*references, strict=True)))
    found = bleu(hypotheses, references, "none", order=order)
    assert found.value == pytest.approx(expected.score, abs=1e-9)
    assert found.precisions == pytest.approx(expected.precisions)
    assert len(found.correct) == len(found.total) == order
    assert found.name == ("BLEU" if order == 4 else f"BLEU-{order}")
    assert ("order:" in found.signature) == (order < 4)
    low, high = found.interval
    assert low <= found.value <= high


def test_an_order_that_is_not_counted_is_refused() -> None:
    with pytest.raises(UserError, match="order 5 is not possible: 1 to 4"):
        bleu(["a"], [["a"]], order=5)


@pytest.mark.parametrize("tokenize", ["13a", "none"])
def test_multi30k_scores_as_sacrebleu_does(data, multi30k_outputs, tokenize):
    outputs, references = multi30k_outputs(data)
    assert_equal(bleu(outputs, references, tokenize), oracle(outputs, references, tokenize)[0])
