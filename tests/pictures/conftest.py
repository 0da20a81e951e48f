"""Pictures that the tests draw, and networks small enough to run in no time."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from PIL import Image


@pytest.fixture
def quarters() -> Image.Image:
    """Red, green over blue, white; 60 wide, 40 high."""
    from PIL import Image

    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:20, :30] = (255, 0, 0)
    pixels[:20, 30:] = (0, 255, 0)
    pixels[20:, :30] = (0, 0, 255)
    pixels[20:, 30:] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """``encoded(picture, "PNG", **options)``: a file's bytes."""

    def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode
