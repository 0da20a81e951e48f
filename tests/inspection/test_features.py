from __future__ import annotations

import numpy as np
import pytest

from unrolled.inspection.features import correlations, features


def of(text: str, name: str) -> list[float]:
    return features([list(text)])[name].tolist()


def test_quotes() -> None:
    assert of('a "b" c', "inside quotes") == [0, 0, 1, 1, 0, 0, 0]
    assert of("a „b“ «c»", "inside quotes")[2:4] == [1, 1]


def test_brackets() -> None:
    assert of("a(b[c])", "bracket depth") == [0, 1, 1, 2, 2, 1, 0]
    assert of(")a(", "bracket depth") == [0, 0, 1]


def test_lines() -> None:
    assert of("ab\ncde\n", "position in the line") == [1, 2, 0, 1, 2, 3, 0]
    assert of("ab\ncde\n", "line length left") == [1, 0, 0, 2, 1, 0, 0]


def test_upper_case_runs() -> None:
    assert of("A ABc", "upper-case run") == [0, 0, 1, 1, 0]


def test_tokens_of_several_characters_count_as_read_to_their_end() -> None:
    found = features([["<s>", '"Say', 'it"', "</s>"]])
    assert found["inside quotes"].tolist() == [0, 1, 0, 0]
    assert found["position in the line"].tolist() == [3, 7, 10, 0]


def test_every_text_begins_anew() -> None:
    found = features([["<s>", '"a'], ["<s>", "b"]])
    assert found["position in the line"].tolist() == [3, 5, 3, 4]
    assert found["inside quotes"].tolist() == [0, 1, 0, 0]


def test_what_never_changes_is_no_feature() -> None:
    assert set(features([list("abc")])) == {"position in the line", "line length left"}
    assert features([]) == {}


@pytest.mark.parametrize("seed", range(3))
def test_correlations_are_pearsons(seed: int) -> None:
    random = np.random.default_rng(seed)
    values, feature = random.normal(size=(50, 4)), random.normal(size=50)
    values[:, 3] = 2.5
    found = correlations(values, feature)
    for unit in range(3):
        assert found[unit] == pytest.approx(np.corrcoef(values[:, unit], feature)[0, 1])
    assert found[3] == 0


def test_quotes_close_as_they_opened() -> None:
    for text in ("a „b“ c", "a “b” c", "a «b» c"):
        assert of(text, "inside quotes") == [0, 0, 1, 1, 0, 0, 0]
