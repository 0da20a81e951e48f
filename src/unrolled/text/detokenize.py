"""Tokenised text as a reader expects it: spaces and marks back where a person would write them."""

from __future__ import annotations

import re

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r" @([-,.])@ ", r"\1"),  # WikiText's marks inside words and numbers
        (r"\b([Cc]an) (not)\b", r"\1\2"),
        (r" (n't|n’t)\b", r"\1"),
        (r" (['’](?:s|m|d|re|ve|ll|S|M|D|RE|VE|LL))\b", r"\1"),
        (r" ([.,;:!?%…)\]}»”])", r"\1"),
        (r"([(\[{«“¿¡$£€#]) ", r"\1"),
        (r" ?([、。，！？；：]) ?", r"\1"),  # full-width marks carry their own space
    )
)
_QUOTED = re.compile(r'(^|[\s(\[{])" ?([^"]*?) ?"(?=$|[\s.,;:!?)\]}])')


def detokenize(text: str) -> str:
    """Words joined by spaces → running text, by the common marks of European languages.

    A heuristic: it takes spaces away before closing and after opening marks, inside quotation marks and
    before English clitics (``n't``, ``'s``), and unwraps WikiText's ``@-@``; it changes nothing else.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _QUOTED.sub(r'\1"\2"', text)
