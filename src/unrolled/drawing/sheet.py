"""A photograph once a word, with what the word attended to laid over it (after Xu et al. 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.figure import Target, draw_on
from unrolled.drawing.labels import token_label


def draw_sheet(
    picture: ArrayLike,
    words: Sequence[str],
    weights: ArrayLike,
    path: Target,
    *,
    title: str = "",
    columns: int = 6,
) -> None:
    """The picture, then again for each word with its attention as light.

    Args:
        picture: ``(height, width, 3)``, bytes or numbers from 0 to 1.
        weights: ``(words, rows, columns)``, the attention over the picture's regions.

    Raises:
        ValueError: shapes that do not fit.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    pixels, light = np.asarray(picture), np.asarray(weights, dtype=np.float64)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"a picture is (height, width, 3), got {pixels.shape}")
    if light.ndim != 3 or light.shape[0] != len(words):
        raise ValueError(
            f"weights of shape {light.shape} do not fit {len(words)} words: (words, rows, columns)"
        )
    columns = min(columns, len(words) + 1)
    rows = math.ceil((len(words) + 1) / columns)
    side = 1.6
    tall = side * pixels.shape[0] / pixels.shape[1] + 0.3
    with draw_on(path, [*map(token_label, words), title], columns * side, rows * tall) as figure:
        for index in range(len(words) + 1):
            row, column = divmod(index, columns)
            axes = figure.add_axes(
                (
                    (column + 0.02) / columns,
                    1 - (row + 1) / rows,
                    0.96 / columns,
                    (1 - 0.3 / tall) / rows,
                )
            )
            axes.set_axis_off()
            # Both share one extent, so the regions lie where they were read.
            extent = (0.0, float(pixels.shape[1]), float(pixels.shape[0]), 0.0)
            axes.imshow(pixels, extent=extent, aspect="auto")
            if index:
                shade = light[index - 1]
                most = float(shade.max()) or 1.0
                veil = np.zeros((*shade.shape, 4))
                veil[..., 3] = 0.8 * (1 - shade / most)
                axes.imshow(veil, extent=extent, aspect="auto", interpolation="bilinear")
                axes.set_title(token_label(words[index - 1]), fontsize=9, pad=3)
        if title:
            figure.suptitle(title, x=0, y=1.02, ha="left")
