from __future__ import annotations

import re
from collections.abc import Callable

import pytest


@pytest.fixture
def words() -> Callable[..., list[str]]:
    """Draws, and reads the texts of the picture back in the order they were drawn."""
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    from unrolled.drawing.figure import svg

    def read(draw: Callable[..., None], *arguments: object, **options: object) -> list[str]:
        picture = svg(draw, *arguments, **options)
        found = re.findall(r"<text[^>]*>(.*?)</text>", picture, re.DOTALL)
        return [re.sub(r"<[^>]+>", "", text).strip() for text in found]

    return read
