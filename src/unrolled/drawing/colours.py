"""Every colour that is drawn, in one place; all of them safe for colour-blind readers.

The two maps are ColorBrewer's *Blues* and *PuOr* (Brewer, Hatchard and Harrower 2003), which can be read by
lightness alone; the series colours are those of Okabe and Ito (2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Map = Literal["sequential", "diverging"]
"""``sequential``: white (nothing) to dark blue (much). ``diverging``: orange below a middle, purple above."""

MAPS: dict[Map, tuple[str, ...]] = {
    "sequential": (
        "#ffffff",
        "#deebf7",
        "#c6dbef",
        "#9ecae1",
        "#6baed6",
        "#4292c6",
        "#2171b5",
        "#08519c",
        "#08306b",
    ),
    "diverging": (
        "#7f3b08",
        "#b35806",
        "#e08214",
        "#fdb863",
        "#fee0b6",
        "#f7f7f7",
        "#d8daeb",
        "#b2abd2",
        "#8073ac",
        "#542788",
        "#2d004b",
    ),
}

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Curves and bars; where two may meet they also differ by dash and marker (:func:`again`)."""
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")

INK = "#1b1b1e"
"""Text and axes. In a page's pictures it becomes the page's own text colour, light or dark."""
GRID = "#9a9aa2"
NOTHING = "#bdbdc4"
"""Where there is no value."""


def again(index: int) -> int:
    """Which dash and marker the series ``index`` has: where the colours begin again these are one further on,
    so that no two of 36 series look alike."""
    return (index + index // len(SERIES)) % len(SERIES)


def place(value: float, low: float, high: float) -> float:
    """Where ``value`` stands between ``low`` and ``high``, from 0 to 1, values beyond them held at the ends.

    Everything is at 0 when ``low`` equals ``high``; not-a-number stays so.
    """
    if math.isnan(value):
        return value
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0


def ends(
    values: Sequence[float], kind: Map = "sequential", low: float | None = None, high: float | None = None
) -> tuple[float, float]:
    """The values at a map's ends: those given, else the data's own (``"diverging"``: symmetric)."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    least, most = min(finite), max(finite)
    if kind == "diverging" and low is None and high is None:
        most = max(abs(least), abs(most))
        least = -most
    least = least if low is None else low
    most = most if high is None else high
    return least, most if most > least else least + 1.0


def colour(share: float, kind: Map = "sequential") -> str:
    """The map's colour at ``share`` (0 to 1) as ``#rrggbb``; grey for not-a-number."""
    if math.isnan(share):
        return NOTHING
    anchors = MAPS[kind]
    position = share * (len(anchors) - 1)
    left = min(int(position), len(anchors) - 2)
    mixed = (
        round(a + (b - a) * (position - left))
        for a, b in zip(_channels(anchors[left]), _channels(anchors[left + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def ink(background: str) -> str:
    """Black or white, whichever reads better on ``background`` (relative luminance of WCAG 2.1)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in _channels(background))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # The contrast ratios (L₁ + 0.05)/(L₂ + 0.05) with black and with white are equal at this luminance.
    return "#000000" if luminance > math.sqrt(1.05 * 0.05) - 0.05 else "#ffffff"


def _channels(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
