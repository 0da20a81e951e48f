from __future__ import annotations

import pytest
from pydantic import ValidationError

from unrolled.text import label_settings
from unrolled.text.settings import Settings

MODELS = [
    model
    for model in vars(label_settings).values()
    if isinstance(model, type) and issubclass(model, Settings) and model.model_fields
]


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_is_described_and_nothing_else_is_accepted(model: type[Settings]) -> None:
    assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValidationError, match="nonsense"):
        model.model_validate({"nonsense": 1})


def test_a_vocabulary_becomes_a_tokenizer_of_a_kind() -> None:
    words = label_settings.TaggedText().words
    assert words.min_count == 2
    made = words.tokenizer("symbol")
    assert (made.kind, made.min_count, made.lowercase) == ("symbol", 2, False)


def test_what_is_no_encoding_and_no_column():
    with pytest.raises(ValidationError, match="no encoding 'latin1252' is known"):
        label_settings.LabelledData.model_validate({"train": "a", "encoding": "latin1252"})
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        label_settings.TaggedData.model_validate({"train": "a", "tag": 0})
