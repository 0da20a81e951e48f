from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from unrolled.errors import UserError
from unrolled.text import settings
from unrolled.text.settings import Encoding, ParallelData, ParallelText, TokenizerSettings, expand

MODELS = [
    model
    for model in vars(settings).values()
    if isinstance(model, type) and issubclass(model, settings.Settings) and model.model_fields
]


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_is_described_and_nothing_else_is_accepted(model):
    assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValidationError, match="nonsense"):
        model.model_validate({"nonsense": 1})


def test_relative_roots_start_at_the_recipe(tmp_path, monkeypatch):
    data = ParallelData.model_validate(
        {"train": "a.tsv", "root": "../x"}, context={"folder": tmp_path / "recipes"}
    )
    assert data.path("a.tsv") == tmp_path / "x" / "a.tsv"
    # What is recorded is absolute: another folder does not move it.
    again = ParallelData.model_validate(data.model_dump(), context={"folder": tmp_path / "runs"})
    assert again == data
    assert data.path("/elsewhere/b.tsv").as_posix() == "/elsewhere/b.tsv"
    monkeypatch.setenv("CORPORA", "/corpora")
    data = ParallelData.model_validate({"train": "a", "root": "$CORPORA/fr"}, context={"folder": tmp_path})
    assert data.root == "$CORPORA/fr"
    assert data.path("a").as_posix() == "/corpora/fr/a"


def test_a_variable_that_is_not_set_says_where_to_set_it(monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(UserError, match=r"\$NOWHERE is not set; .*export NOWHERE="):
        expand("${NOWHERE}/a")
    with pytest.raises(UserError, match="must begin the name"):
        expand("a$")


def test_the_data_variable_falls_back_to_the_shared_folder(monkeypatch, tmp_path):
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.delenv("UNROLLED_DATA", raising=False)
    with pytest.raises(UserError, match="UNROLLED_DATA is not set"):
        expand("$UNROLLED_DATA/x")
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert expand("$UNROLLED_DATA/x") == str(tmp_path / "shared" / "data" / "x")
    monkeypatch.setenv("UNROLLED_DATA", "/other")
    assert expand("$UNROLLED_DATA/x") == "/other/x"


def test_what_cannot_be():
    for wrong in (
        {"train": "a", "dev": "b", "dev_size": 10},
        {"train": ["a"]},
        {"train": "a", "columns": [1]},
        {"train": "a", "test_size": -1},
        {"train": "a", "split_by": "both"},
    ):
        with pytest.raises(ValidationError):
            ParallelData.model_validate(wrong)
    for wrong in ({"kind": "words"}, {"size": 4}, {"kind": "bpe", "size": 100}, {"min_count": 0}):
        with pytest.raises(ValidationError):
            TokenizerSettings.model_validate(wrong)
    for wrong in ("utf8000", "rot13", "hex"):
        with pytest.raises(ValidationError, match=f"no encoding '{wrong}' is known"):
            TypeAdapter(Encoding).validate_python(wrong)
    assert TypeAdapter(Encoding).validate_python("latin-1") == "latin-1"


def test_defaults_need_nothing():
    assert ParallelText().source.kind == "word"
    assert ParallelData(train="cmudict").dev is None


def test_an_absolute_path_needs_no_root(monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    data = ParallelData.model_validate({"train": "/elsewhere/a.tsv", "root": "$NOWHERE"})
    assert data.path(data.train).as_posix() == "/elsewhere/a.tsv"


def test_a_folder_with_a_dollar_in_its_name(tmp_path):
    folder = tmp_path / "a$b"
    data = ParallelData.model_validate({"train": "x.tsv"}, context={"folder": folder})
    assert data.path("x.tsv") == folder / "x.tsv"
