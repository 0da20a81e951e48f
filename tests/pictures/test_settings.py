from __future__ import annotations

import pytest
from pydantic import ValidationError

from unrolled.pictures import PictureSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "precomputed"}, "how many features"),
        ({"feature_size": 12}, "only precomputed"),
        ({"encoder": "precomputed", "feature_size": 4, "fine_tune": True}, "no network to train"),
        ({"size": 100}, "multiple of 32"),
        ({"grid": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PictureSettings(**options)
