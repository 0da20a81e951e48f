"""Entities of the English data: Tjong Kim Sang and De Meulder 2003 (CoNLL-2003 shared task), table 2."""

from __future__ import annotations

from collections import Counter

import pytest

from unrolled.metrics import span_f1
from unrolled.metrics.schemes import SCHEMES, check, convert, spans


def sentences(path):
    rows: list[list[str]] = [[]]
    for line in path.read_text(encoding="latin-1").splitlines():
        columns = line.split()
        if columns and columns[0] != "-DOCSTART-":
            rows[-1].append(columns[-1])
        else:
            rows.append([])
    return [row for row in rows if row]


@pytest.mark.parametrize(
    ("part", "entities"),
    [
        ("train", {"LOC": 7140, "MISC": 3438, "ORG": 6321, "PER": 6600}),
        ("testa", {"LOC": 1837, "MISC": 922, "ORG": 1341, "PER": 1842}),
        ("testb", {"LOC": 1668, "MISC": 702, "ORG": 1661, "PER": 1617}),
    ],
)
def test_entities(data, part, entities):
    rows = sentences(data / "conll2003" / f"eng.{part}")
    assert Counter(span.type for row in rows for span in spans(row)) == entities
    for row in rows:
        check(row, "IOB1")
    for scheme in SCHEMES:
        score = span_f1([convert(row, scheme) for row in rows], rows)
        assert (score.value, score.details["gold"]) == (100.0, sum(entities.values()))
