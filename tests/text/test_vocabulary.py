from __future__ import annotations

import pytest

from unrolled.errors import UserError
from unrolled.text.vocabulary import Vocabulary


def test_names_and_ids():
    labels = Vocabulary.of(["neg", "pos", "neg", "Été"])
    assert labels.names == list(labels) == ["neg", "pos", "Été"]
    assert len(labels) == 3
    assert "pos" in labels
    assert labels.encode(["pos", "neg"]).tolist() == [1, 0]
    assert labels.decode([2, 0]) == ["Été", "neg"]


def test_an_unknown_name_is_an_error_with_its_place():
    with pytest.raises(
        UserError, match=r"test\.tsv:7: label 'posi' is none of the run's labels; did you mean 'pos'"
    ):
        Vocabulary.of(["pos", "neg"]).encode(["posi"], "test.tsv:7")
    with pytest.raises(UserError, match="no labels"):
        Vocabulary.of([])


def test_a_name_that_stands_twice():
    with pytest.raises(ValueError, match="twice"):
        Vocabulary(["B", "B"])


def test_save_and_load(tmp_path):
    path = tmp_path / "labels.json"
    for vocabulary in (Vocabulary.of(["é", "b"]), Vocabulary(["x", "O"])):
        vocabulary.save(path)
        assert Vocabulary.load(path).names == vocabulary.names
    with pytest.raises(UserError, match="no such vocabulary"):
        Vocabulary.load(tmp_path / "none.json")
    for damaged in ("{", "[]", '{"names": [1], "unknown": null}', '{"names": ["a", "a"], "unknown": null}'):
        path.write_text(damaged)
        with pytest.raises(UserError, match="damaged"):
            Vocabulary.load(path)
