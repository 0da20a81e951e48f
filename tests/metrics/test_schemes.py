from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.metrics.schemes import SCHEMES, Span, allowed, check, convert, spans, tags


@st.composite
def spanned(draw):
    """Spans that do not overlap, and how many tokens there are."""
    found, position = [], 0
    for _ in range(draw(st.integers(0, 5))):
        begin = position + draw(st.integers(0, 2))
        position = begin + draw(st.integers(1, 3))
        found.append(Span(draw(st.sampled_from(["PER", "LOC", "X-Y"])), begin, position))
    return found, position + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(spanned())
def test_spans_survive_being_spelled(scheme, case):
    found, length = case
    row = tags(found, length, scheme)
    assert len(row) == length
    assert spans(row) == found
    check(row, scheme)
    for other in SCHEMES:
        assert spans(convert(row, other)) == found


def test_each_scheme_spells_in_its_own_way():
    found = [Span("PER", 0, 2), Span("PER", 2, 3), Span("LOC", 3, 5), Span("LOC", 6, 7)]
    assert tags(found, 7, "IOB1") == ["I-PER", "I-PER", "B-PER", "I-LOC", "I-LOC", "O", "I-LOC"]
    assert tags(found, 7, "IOB2") == ["B-PER", "I-PER", "B-PER", "B-LOC", "I-LOC", "O", "B-LOC"]
    assert tags(found, 7, "IOBES") == ["B-PER", "E-PER", "S-PER", "B-LOC", "E-LOC", "O", "S-LOC"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sequence_is_allowed_when_it_is_the_spelling_of_its_spans(scheme):
    prefixes = {"IOB1": "IB", "IOB2": "IB", "IOBES": "IBES"}[scheme]
    alphabet = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in "XY")]
    for length in range(1, 5):
        for row in itertools.product(alphabet, repeat=length):
            ends = (None, *row), (*row, None)
            legal = all(allowed(before, after, scheme) for before, after in zip(*ends, strict=True))
            if scheme == "IOB1":  # lenient: a B without need is read as it stands
                assert legal
            else:
                assert legal == (tags(spans(row), length, scheme) == list(row)), row


@pytest.mark.parametrize(
    ("row", "scheme", "says"),
    [
        (["O", "I-PER"], "IOB2", "token 2: 'I-PER' cannot stand after 'O' in IOB2"),
        (["I-PER"], "IOB2", "token 1: 'I-PER' cannot stand at the beginning in IOB2"),
        (["B-PER", "I-LOC"], "IOB2", "token 2: 'I-LOC' cannot stand after 'B-PER'"),
        (["E-PER"], "IOB1", "token 1: 'E-PER' is no tag of IOB1: O, I-TYPE, B-TYPE"),
        (["B-PER", "O"], "IOBES", "token 2: 'O' cannot stand after 'B-PER'"),
        (["S-PER", "B-PER"], "IOBES", "token 2: 'B-PER' cannot stand at the end"),
        (["X-PER"], "IOB2", "token 1: 'X-PER' is no tag of IOB2: O, B-TYPE, I-TYPE"),
        (["B"], "IOB2", "token 1: 'B' is no tag of IOB2"),
        (["O"], "BIO", "scheme 'BIO' is not known"),
    ],
)
def test_what_breaks_a_scheme_is_named(row, scheme, says):
    with pytest.raises(UserError, match=says):
        check(row, scheme)
