from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures need the extra `caption`")

from PIL import Image

from unrolled.pictures import BadPicture, fit, read_picture
from unrolled.pictures.reading import MOST_PIXELS

Encode = Callable[..., bytes]


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colours at top left, top right, bottom left, bottom right."""
    right, bottom = picture.width - 3, picture.height - 3
    return [picture.getpixel(place) for place in ((2, 2), (right, 2), (2, bottom), (right, bottom))]


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def test_a_picture_is_read_as_rgb(quarters: Image.Image, encoded: Encode) -> None:
    for kind in ("PNG", "BMP", "TIFF", "WEBP"):
        found = read_picture(encoded(quarters, kind, **({"lossless": True} if kind == "WEBP" else {})), "x")
        assert (found.mode, found.size) == ("RGB", (60, 40))
        assert corners(found) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_a_camera_held_askew_gives_an_upright_picture(
    orientation: int, expected: list[tuple[int, ...]], quarters: Image.Image, encoded: Encode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_picture(encoded(quarters, "PNG", exif=exif), "x")
    assert found.size == ((60, 40) if orientation < 5 else (40, 60))
    assert corners(found) == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode: str, encoded: Encode) -> None:
    picture = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
    found = read_picture(encoded(picture.convert(mode)), "x")
    assert found.mode == "RGB"
    assert found.getpixel((1, 1)) == (0, 0, 0)
    assert found.getpixel((6, 6)) == WHITE


def test_half_transparency_is_mixed_with_white(encoded: Encode) -> None:
    found = read_picture(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128))), "x")
    assert found.getpixel((1, 1)) == (127, 127, 127)


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "CMYK"])
def test_other_kinds_of_pixels_become_rgb(mode: str, encoded: Encode) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((8, 8), 0x8000, dtype=np.uint16))
    else:
        picture = Image.new("L", (8, 8), 128 if mode == "L" else 255).convert(mode)
    found = read_picture(encoded(picture, "TIFF" if mode == "CMYK" else "PNG"), "x")
    assert found.mode == "RGB"
    assert found.getpixel((4, 4)) == ((128,) * 3 if mode in ("L", "I;16") else WHITE)


def test_a_large_photograph_is_decoded_no_larger_than_wanted(encoded: Encode) -> None:
    data = encoded(Image.new("RGB", (1600, 1200), "teal"), "JPEG")
    assert read_picture(data, "x", size=224).size == (400, 300)
    assert read_picture(data, "x").size == (1600, 1200)


def test_what_is_no_picture_is_named(quarters: Image.Image, encoded: Encode) -> None:
    for data in (b"", b"not a picture", b"%PDF-1.7 ..."):
        with pytest.raises(BadPicture, match=r"^notes\.jpg: not a picture"):
            read_picture(data, "notes.jpg")
    for kind in ("PNG", "JPEG"):
        data = encoded(quarters.resize((600, 400)), kind)
        with pytest.raises(BadPicture, match=r"^half\.jpg: a damaged or truncated picture"):
            read_picture(data[: len(data) // 2], "half.jpg")


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (int(MOST_PIXELS**0.5) + 1, 60_000):  # what Pillow would warn of, and what it would refuse
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        with pytest.raises(BadPicture, match=r"^bomb\.png: .*89,478,485"):
            read_picture(bomb, "bomb.png")


def test_fitting_keeps_the_aspect_and_repeats_the_edge(quarters: Image.Image) -> None:
    pixels = fit(quarters, 96, 32)
    assert pixels.shape == (64, 96, 3)  # 60 × 40 has just this shape at 96
    wide = fit(quarters.resize((60, 20)), 96, 32)
    assert wide.shape == (32, 96, 3)
    tall = fit(quarters.resize((20, 60)), 96, 32, square=True)
    assert tall.shape == (96, 96, 3)
    # 32 columns of picture stand in the middle; left of them is what is at its left edge.
    assert (tall[:, :32] == tall[:, 32:33]).all()
    assert (tall[:, 64:] == tall[:, 63:64]).all()
    assert tall[5, 5].tolist() == list(RED)


def test_even_a_thread_of_a_picture_has_a_pixel_of_width() -> None:
    assert fit(Image.new("RGB", (2000, 1), "red"), 64, 32).shape == (32, 64, 3)


def test_sixteen_bits_with_transparency_are_not_white(encoded: Encode) -> None:
    picture = Image.fromarray(np.full((8, 8), 0x8000, dtype=np.uint16))
    picture.info["transparency"] = 0
    assert read_picture(encoded(picture, "PNG"), "x").getpixel((4, 4)) == (128,) * 3


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_without_a_white_are_refused(kind: type, encoded: Encode) -> None:
    with pytest.raises(BadPicture, match="does not say what is white"):
        read_picture(encoded(Image.fromarray(np.ones((4, 4), dtype=kind)), "TIFF"), "x")
