from __future__ import annotations

import math
import random

import numpy as np
import pytest
import sacrebleu
from sacrebleu.significance import PairedTest

from unrolled.errors import UserError
from unrolled.metrics import Score, Tally, bleu, compare, perplexity, word_error_rate
from unrolled.metrics.significance import bootstrap, interval
from unrolled.metrics.tally import share


def corpus(seed, segments=120, errors=0.3):
    generator = random.Random(seed)
    words = [f"w{i}" for i in range(30)]
    references = [[generator.choice(words) for _ in range(generator.randint(4, 12))] for _ in range(segments)]
    hypotheses = [
        [generator.choice(words) if generator.random() < errors else word for word in line]
        for line in references
    ]
    return [" ".join(line) for line in hypotheses], [[" ".join(line)] for line in references]


def test_the_interval_is_sacrebleus():
    hypotheses, references = corpus(0)
    theirs = sacrebleu.BLEU(tokenize="none").corpus_score(
        hypotheses, [[each[0] for each in references]], n_bootstrap=1000
    )
    ours = bleu(hypotheses, references, "none")
    assert (ours.high - ours.low) / 2 == pytest.approx(theirs._ci, rel=1e-5)  # theirs is in float32
    assert ours.low < ours.value < ours.high


def test_the_paired_test_is_sacrebleus():
    one, references = corpus(0)
    other = corpus(0, errors=0.33)[0]
    metric = sacrebleu.BLEU(tokenize="none")
    systems = [("other", other), ("one", one)]
    streams = [[each[0] for each in references]]
    _, results = PairedTest(systems, {"BLEU": metric}, streams, test_type="bs", n_samples=1000)()
    comparison = compare(bleu(one, references, "none"), bleu(other, references, "none"))
    assert comparison.p_value == pytest.approx(results["BLEU"][1].p_value, abs=2e-3)
    assert comparison.difference == pytest.approx(results["BLEU"][1].score - results["BLEU"][0].score)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator, covered = np.random.default_rng(0), 0
    for _ in range(200):
        hits = generator.random(150) < 0.3
        low, high = interval(Tally(np.stack([hits, np.ones(150)], axis=1), share), resamples=300)
        covered += low <= 30.0 <= high
    assert 180 <= covered <= 200


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    tally = Tally(np.random.default_rng(1).integers(0, 9, size=(40, 2)), share)
    at_once = bootstrap(tally, resamples=50)[0]
    monkeypatch.setattr("unrolled.metrics.significance._DRAWS_AT_ONCE", 7 * 40)
    assert (bootstrap(tally, resamples=50)[0] == at_once).all()
    assert (bootstrap(tally, resamples=50, seed=1)[0] != at_once).any()


def test_a_system_is_not_better_than_itself():
    hypotheses, references = corpus(1)
    score = bleu(hypotheses, references, "none")
    comparison = compare(score, score)
    assert (comparison.difference, comparison.low, comparison.high) == (0.0, 0.0, 0.0)
    assert comparison.better == 0.5


def test_a_clear_difference_is_found_and_has_the_right_sign():
    good, references = corpus(2, errors=0.1)
    bad = corpus(2, errors=0.5)[0]
    assert compare(bleu(good, references), bleu(bad, references)).p_value < 0.01
    errors = compare(word_error_rate(good, references), word_error_rate(bad, references))
    assert errors.difference < 0
    assert errors.high < 0
    assert errors.better == 1.0


def test_what_cannot_be_compared_is_refused():
    one, references = corpus(0, segments=3)
    score = bleu(one, references)
    with pytest.raises(UserError, match="different metrics"):
        compare(score, word_error_rate(one, references))
    with pytest.raises(UserError, match="3 and 2 segments cannot be paired"):
        compare(score, bleu(one[:2], references[:2]))
    with pytest.raises(UserError, match="no statistics per segment"):
        compare(score, Score("BLEU", 1.0))


def test_of_one_segment_nothing_can_be_said():
    one, other = bleu(["a b c d e"], [["a b c d x"]]), bleu(["a b c d x"], [["a b c d x"]])
    assert one.interval is None
    found = compare(one, other)
    assert (found.p_value, found.better) == (1.0, 0.5)
    assert found.low != found.low


def test_of_two_infinite_values_nothing_can_be_said():
    tally = Tally(np.array([[1.0], [2.0], [3.0]]), lambda sums: sums[..., 0] * math.inf)
    score = Score("perplexity", math.inf, tally=tally)
    found = compare(score, score)
    assert (found.p_value, found.better) == (1.0, 0.5)
    assert found.low != found.low


def test_perplexities_over_different_vocabularies_are_not_compared():
    one, other = (perplexity([1.0, 2.0], [1, 2], over=name) for name in "ab")
    with pytest.raises(UserError, match="is of other tokens or questions: the vocabularies differ"):
        compare(one, other)
    assert compare(one, one).difference == 0
