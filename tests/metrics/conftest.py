from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

Outputs = tuple[list[str], list[list[str]]]


@pytest.fixture
def multi30k_outputs() -> Callable[[Path], Outputs]:
    """Translations as a model gives them, raw: reference sentences with words dropped, doubled and moved."""

    def make(data: Path) -> Outputs:
        lines = (data / "multi30k/test_2016_flickr.de").read_text(encoding="utf-8").splitlines()
        draw, outputs = random.Random(1), []
        for line in lines:
            words = [word for word in line.split() for _ in range(draw.choice((0, 1, 1, 1, 1, 1, 1, 2)))]
            place = draw.randrange(len(words) + 1)
            outputs.append(" ".join(words[place:] + words[:place] if draw.random() < 0.3 else words))
        return outputs, [[line] for line in lines]

    return make
