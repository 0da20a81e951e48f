from __future__ import annotations

import numpy as np
import pytest

from unrolled.embeddings import Vectors
from unrolled.embeddings.bias import direct_bias, direction, equalise, lean, neutralise
from unrolled.errors import UserError

PAIRS = [("she", "he"), ("woman", "man"), ("girl", "boy")]
NEUTRAL = ["nurse", "pilot", "table"]


@pytest.fixture
def vectors() -> Vectors:
    """The first dimension is what the pairs differ in; nurse leans one way, pilot the other."""
    random = np.random.default_rng(1)
    words = [word for pair in PAIRS for word in pair] + NEUTRAL
    matrix = random.normal(size=(len(words), 8)) * 0.5
    for row, word in enumerate(words):
        matrix[row, 0] = {"nurse": 0.6, "pilot": -0.5, "table": 0.0}.get(word, 1.0 if row % 2 == 0 else -1.0)
    for a, b in PAIRS:
        matrix[words.index(b), 1:] = matrix[words.index(a), 1:] + random.normal(size=7) * 0.05
    return Vectors(words, matrix.astype(np.float32))


def test_the_direction_is_what_the_pairs_differ_in(vectors: Vectors) -> None:
    along = direction(vectors, PAIRS)
    assert np.linalg.norm(along) == pytest.approx(1)
    assert along[0] > 0.98
    leaning = lean(vectors, [*NEUTRAL, "she", "he"], along)
    assert leaning["she"] > 0.3
    assert leaning["he"] < -0.3
    assert leaning["nurse"] > 0.1 > -0.1 > leaning["pilot"]
    assert np.allclose(direction(vectors, [(b, a) for a, b in PAIRS]), -along, atol=1e-6)


def test_one_pair_gives_their_difference(vectors: Vectors) -> None:
    she, he = vectors.units(["she", "he"])
    along = direction(vectors, PAIRS[:1])
    assert along @ (she - he) / np.linalg.norm(she - he) == pytest.approx(1, abs=1e-6)


def test_neutral_words_lean_no_more_and_the_others_stay(vectors: Vectors) -> None:
    along = direction(vectors, PAIRS)
    before = direct_bias(vectors, NEUTRAL, along)
    assert before == pytest.approx(np.mean([abs(c) for c in lean(vectors, NEUTRAL, along).values()]))
    after = neutralise(vectors, NEUTRAL, along)
    assert direct_bias(after, NEUTRAL, along) < 1e-6 < before
    assert np.linalg.norm(after["nurse"]) == pytest.approx(1)
    assert after.similarity("she", "boy") == pytest.approx(vectors.similarity("she", "boy"), abs=1e-6)


def test_equalised_words_are_equally_near_to_a_neutral_one(vectors: Vectors) -> None:
    along = direction(vectors, PAIRS)
    after = equalise(neutralise(vectors, NEUTRAL, along), PAIRS, along)
    for a, b in PAIRS:
        assert after.similarity(a, "nurse") == pytest.approx(after.similarity(b, "nurse"), abs=1e-6)
        assert np.linalg.norm(after[a]) == pytest.approx(1, abs=1e-6)
        difference = after[a] - after[b]
        assert difference @ along == pytest.approx(np.linalg.norm(difference), abs=1e-6)
    assert after["she"] @ along > 0 > after["he"] @ along, "each keeps its side"


def test_what_cannot_be_is_refused(vectors: Vectors) -> None:
    along = direction(vectors, PAIRS)
    with pytest.raises(UserError, match="no pairs"):
        direction(vectors, [])
    with pytest.raises(UserError, match="no words"):
        direct_bias(vectors, [], along)
    with pytest.raises(UserError, match="two words or more are wanted"):
        equalise(vectors, [["she"]], along)
    with pytest.raises(UserError, match="no vector for the word 'shee'; spelled alike: she"):
        neutralise(vectors, ["shee"], along)
