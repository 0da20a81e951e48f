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


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[object, ...]]]:
    """Notes how all is drawn that a method of ``Axes`` draws: the options that are named."""
    axes = pytest.importorskip("matplotlib.axes", reason="pictures need the extra `drawing`").Axes

    def watch(method: str, *options: str) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        draw = getattr(axes, method)

        def noting(self: object, *points: object, **look: object) -> object:
            found.append(tuple(look[option] for option in options))
            return draw(self, *points, **look)

        monkeypatch.setattr(axes, method, noting)
        return found

    return watch
