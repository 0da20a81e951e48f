from __future__ import annotations

import numpy as np

from unrolled.embeddings.pieces import Spelling, compose

SPELLING = Spelling((3, 4), first=5, rows=1000)


def test_a_word_is_its_n_grams_with_marked_ends() -> None:
    # <at>: three letters: <at, at>; the four are the word itself, which has its own row
    assert len(SPELLING.of("at")) == 2
    assert len(SPELLING.of("eat")) == 3 + 2
    assert set(SPELLING.of("her")) & set(SPELLING.of("where")) == set(SPELLING.of("where")) & {
        *SPELLING.of("her")
    }
    assert all(5 <= row < 1005 for row in SPELLING.of("anything"))
    assert SPELLING.of("a") == []


def test_words_that_share_letters_share_rows() -> None:
    assert len(set(SPELLING.of("walking")) & set(SPELLING.of("talking"))) >= 7
    assert not set(SPELLING.of("walk")) & set(SPELLING.of("mrs"))


def test_a_known_and_an_unseen_word_are_made_alike() -> None:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(1005, 6)).astype(np.float32)
    words = ["at", "eat", "a", "walking", "walk"]
    pieces = SPELLING.pieces(words)
    made = compose(matrix, pieces)
    for row, word in enumerate(words):
        rows = [row, *SPELLING.of(word)]
        assert pieces.rows[pieces.begin[row] : pieces.begin[row + 1]].tolist() == rows
        np.testing.assert_allclose(made[row], matrix[rows].sum(0) / np.sqrt(len(rows)), rtol=1e-5)
    unseen = SPELLING.vector("walks", matrix)
    rows = SPELLING.of("walks")
    np.testing.assert_allclose(unseen, matrix[rows].sum(0) / np.sqrt(len(rows)), rtol=1e-5)
    assert SPELLING.vector("b", matrix) is None
