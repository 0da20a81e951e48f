"""From a picture file to pixels, whatever camera or program wrote it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from unrolled.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 89_478_485
"""Pillow's own limit: a quarter of a GiB as RGB. What declares more is not decoded."""


class BadPicture(UserError):
    """A file that is no usable picture; what ``--skip-bad`` skips."""


def read_picture(data: bytes, path: str | Path, *, size: int | None = None) -> Image:
    """A picture as RGB, upright (its EXIF rotation applied), transparency on white.

    Args:
        data: the file's bytes; ``path`` names it in errors.
        size: the longest side that is wanted: a JPEG much larger is decoded at a fraction of its size.

    Raises:
        BadPicture: not a picture, truncated, or so large when decoded that it may be meant to do harm.
        UserError: Pillow is missing.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise UserError("pictures need an extra: pip install 'unrolled[caption]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below, by size
        try:
            with Image.open(io.BytesIO(data)) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise BadPicture(
                        f"{path}: {width} × {height} pixels, more than the {MOST_PIXELS:,} that are decoded;"
                        " make it smaller first"
                    )
                if size is not None:
                    picture.draft("RGB", (size, size))
                picture.load()
                if picture.mode in ("I", "F"):
                    raise BadPicture(
                        f"{path}: mode {picture.mode} does not say what is white: save 8 or 16 bits"
                    )
                return _on_white(ImageOps.exif_transpose(picture))
        except Image.DecompressionBombError:
            raise BadPicture(
                f"{path}: more than the {MOST_PIXELS:,} pixels that are decoded; make it smaller first"
            ) from None
        except UnidentifiedImageError:
            raise BadPicture(f"{path}: not a picture, or of a kind that Pillow does not read") from None
        except UserError:
            raise
        except Exception as error:  # its decoders raise many unrelated types
            raise BadPicture(f"{path}: a damaged or truncated picture ({error})") from None


def _on_white(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith("I;16"):  # Pillow would cut sixteen bits off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def fit(
    picture: Image, size: int, multiple: int, *, square: bool = False
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture's pixels at a size, its aspect kept: the longest side becomes ``size``.

    The other side is filled up to a multiple of ``multiple`` (or, where ``square``, to ``size``) by repeating
    the picture's edge.
    """
    from PIL import Image

    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
    wanted = [size if square else -(-side // multiple) * multiple for side in (height, width)]
    down, right = wanted[0] - height, wanted[1] - width
    return np.pad(pixels, ((down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)), "edge")
