from __future__ import annotations

import pytest
from pydantic import ValidationError

from unrolled.models import ClassifierSettings, TaggerSettings


def test_mistakes_are_found_before_any_data_is_read() -> None:
    with pytest.raises(ValidationError, match="did you mean 'lstm'"):
        ClassifierSettings(cell="lsmt")
    with pytest.raises(ValidationError, match="pooling"):
        ClassifierSettings(pooling="avg")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="multiple of 2"):
        TaggerSettings(character_size=25)
