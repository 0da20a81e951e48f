"""Tokens as labels: what cannot be seen is shown, what is too long is cut."""

from __future__ import annotations

import unicodedata

_SEEN = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "": "∅", "\u00a0": "⍽"}


def visible(token: str) -> str:
    """The token with white space and control characters made visible; an empty one is ``∅``."""
    if token in _SEEN:
        return _SEEN[token]
    return "".join(_SEEN.get(c, c if c.isprintable() else f"\\x{ord(c):02x}") for c in token)


def shortened(label: str, limit: int = 28) -> str:
    """The label cut to ``limit`` characters, with an ellipsis where something is missing."""
    return label if len(label) <= limit else label[: limit - 1] + "…"


def token_label(token: str) -> str:
    """A token as an axis label: visible, and at most 28 characters long."""
    return shortened(visible(token))


def name_label(name: str) -> str:
    """A name (a class, a word in the plane) as a label: as a token, but its spaces stay spaces."""
    return shortened(visible(name).replace(_SEEN[" "], " "))


def width_of(text: str) -> int:
    """How wide a text is in characters: two for a wide one (Chinese, Japanese, Korean), none for a combining
    mark."""
    wide = (2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c))
    return sum(wide)
