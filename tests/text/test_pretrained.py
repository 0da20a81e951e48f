from __future__ import annotations

import numpy as np

from unrolled.text import vectors
from unrolled.text.pretrained import look_up


def test_tokens_take_their_own_vectors_or_those_of_their_lower_case_form(tmp_path):
    path = tmp_path / "vectors.txt"
    matrix = np.arange(8, dtype=np.float32).reshape(4, 2)
    vectors.write(path, ["paris", "the", "The", "rest"], matrix)
    found = look_up(path, ["<pad>", "The", "Paris", "unseen", "the"])
    assert dict(zip(found.ids.tolist(), found.vectors.tolist(), strict=True)) == {
        1: [4, 5],
        2: [0, 1],
        4: [2, 3],
    }
    assert found.lowered == 1


def test_a_file_may_have_none(tmp_path):
    path = tmp_path / "vectors.txt"
    vectors.write(path, ["a"], np.ones((1, 3), dtype=np.float32))
    found = look_up(path, ["b"])
    assert found.ids.shape == (0,)
    assert found.vectors.shape == (0, 3)
