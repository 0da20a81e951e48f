"""Text coloured by one number a token, as a picture or in a page (after Karpathy, Johnson, Fei-Fei 2016)."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from html import escape
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.colours import Map, colour, ends, ink, place
from unrolled.drawing.figure import Target, draw_on
from unrolled.drawing.labels import visible, width_of
from unrolled.drawing.markup import Markup

LEVELS = 32
"""Steps of colour in a page: one CSS class each, so that a long text stays a small file."""


def draw_tokens(
    tokens: Sequence[str],
    values: ArrayLike,
    path: Target,
    *,
    low: float | None = None,
    high: float | None = None,
    kind: Map = "sequential",
    separator: str = "",
    starts: Collection[int] = (),
    columns: int = 80,
    title: str = "",
) -> None:
    """The running text with each token on the colour of its value; a line holds ``columns`` characters.

    Above it stands what the colours mean.

    Args:
        values: ``(tokens,)``.
        low, high: values at the map's ends; by default the data's own (symmetric for ``"diverging"``).
        separator: what stands between tokens: a space between words, nothing between characters.
        starts: places of tokens that begin a line (a text's first).

    Raises:
        ValueError: tokens and values differ in number, or there are none.
        UserError: an ending other than .png or .svg, or matplotlib is missing.
    """
    numbers = _numbers(tokens, values)
    low, high = ends(numbers, kind, low, high)
    rows = _lines(tokens, separator, columns, starts)
    cell, line = 0.0752, 0.2  # inches: a character's advance (9 pt, monospaced) and a line's height
    width, height = columns * cell, len(rows) * line
    with draw_on(path, [*map(visible, tokens), title], width, height, monospaced=True) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, columns), ylim=(len(rows), 0))
        axes.set_axis_off()

        def put(shown: str, row: float, at: int, value: float) -> int:
            background = colour(place(value, low, high), kind)
            sides = (at / columns, (at + width_of(shown)) / columns)
            axes.axhspan(row + 0.05, row + 0.95, *sides, color=background, lw=0, clip_on=False)
            for piece in _pieces(shown):
                axes.text(at, row + 0.7, piece, va="baseline", color=ink(background), fontsize=9)
                at += width_of(piece)
            return at

        at = 0
        for value in (low, (low + high) / 2, high):
            at = put(f" {value:.3g} ", -1.3, at, value)
        for row, entries in enumerate(rows):
            for index, start, characters in entries:
                put(visible(characters), row, start, numbers[index])
        if title:
            axes.set_title(title, loc="left", pad=24)


def tokens_markup(
    tokens: Sequence[str],
    values: ArrayLike,
    *,
    low: float | None = None,
    high: float | None = None,
    kind: Map = "sequential",
    separator: str = "",
    starts: Collection[int] = (),
    label: str = "value",
) -> Markup:
    """The coloured text as a block of a page: a token's value shows on hovering and under the arrow keys.

    Arguments as for :func:`draw_tokens`.

    Raises:
        ValueError: tokens and values differ in number, or there are none.
    """
    numbers = _numbers(tokens, values)
    low, high = ends(numbers, kind, low, high)
    parts = []
    for index, (token, value) in enumerate(zip(tokens, numbers, strict=True)):
        share = place(value, low, high)
        level = "n" if np.isnan(share) else str(round(share * (LEVELS - 1)))
        shown = escape(visible(token)) + ("\n" if token.endswith("\n") else "")
        space = "" if not index else "\n" if index in starts else escape(separator)
        if index and (tokens[index - 1] == " " or token.startswith("▁")):
            space += "<wbr>"  # a space that is drawn is none at which a browser breaks the line
        parts.append(f'{space}<b class="{kind[0]}{level}" data-v="{value:.3g}">{shown}</b>')
    steps = ((low, 0), ((low + high) / 2, LEVELS // 2), (high, LEVELS - 1))
    scale = "".join(f'<span class="{kind[0]}{level}">{value:.3g}</span>' for value, level in steps)
    name = escape(label)
    return Markup(
        f'<div class="tokens"><p class="scale">{name} {scale} <output aria-live="polite"></output></p>'
        f'<pre tabindex="0" role="group" aria-label="{name} of each token; move with the arrow keys">'
        f"{''.join(parts)}</pre></div>"
    )


def token_styles() -> str:
    """The style rules that :func:`tokens_markup` counts on."""
    rules = []
    kinds: tuple[Map, ...] = ("sequential", "diverging")
    for kind in kinds:
        for level in range(LEVELS):
            background = colour(level / (LEVELS - 1), kind)
            rules.append(f".{kind[0]}{level}{{background:{background};color:{ink(background)}}}")
        rules.append(f".{kind[0]}n{{background:{colour(float('nan'), kind)};color:#000000}}")
    return "\n".join(rules)


def _numbers(tokens: Sequence[str], values: ArrayLike) -> list[float]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (len(tokens),) or not len(tokens):
        raise ValueError(f"{len(tokens)} tokens do not fit values of shape {numbers.shape}")
    return [float(number) for number in numbers]


def _lines(
    tokens: Sequence[str], separator: str, columns: int, starts: Collection[int] = ()
) -> list[list[tuple[int, int, str]]]:
    """Tokens broken into lines: (token's index, first column, text); one longer than a line is cut up."""
    lines: list[list[tuple[int, int, str]]] = [[]]
    at = 0
    for index, token in enumerate(tokens):
        rest = token or visible(token)
        if at and (at + width_of(visible(rest)) > columns or index in starts):
            lines.append([])
            at = 0
        while rest:
            fitting = rest[: max(1, columns - at)]
            while width_of(visible(fitting)) > columns - at and len(fitting) > 1:
                fitting = fitting[:-1]
            lines[-1].append((index, at, fitting))
            at += width_of(visible(fitting))
            rest = rest[len(fitting) :]
            if rest:
                lines.append([])
                at = 0
        at += len(separator)
        if token.endswith("\n") or at >= columns:
            lines.append([])
            at = 0
    return [line for line in lines if line]


def _pieces(text: str) -> list[str]:
    """The text cut to keep to the grid: each wide character alone, the others together (Arabic joins)."""
    grouped = groupby(text, key=lambda c: unicodedata.east_asian_width(c) in "WF")
    return [piece for wide, run in grouped for piece in (run if wide else ["".join(run)])]
