"""Fonts for any script: the installed ones that together hold the glyphs a picture needs.

Matplotlib draws each glyph from the first family of a list that has it, so all there is to do is to find that
list. DejaVu Sans, which comes with matplotlib, covers Latin with its accents, Greek, Cyrillic, Arabic, Hebrew
and phonetic letters. For the rest (Chinese, Japanese, Korean, Devanagari, Thai ...) the installed fonts are
looked through, and the package ``notojp-matplotlib`` (Noto Sans CJK, SIL Open Font License) if it is there.
"""

from __future__ import annotations

import importlib.util
import unicodedata
import warnings
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

BASE = "DejaVu Sans"
MONOSPACED = "DejaVu Sans Mono"
PREFERRED = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "IPAexGothic",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans",
    "Arial Unicode MS",
)
"""Plain text faces, asked first, so that a decorative font is never chosen where one of these will do."""
PACKAGED = ("notojp_matplotlib", "fonts/NotoSansCJKjp-Regular.otf")
"""Package and file of a font that pip can install. Only the file is used: the package itself, once imported,
would change matplotlib's settings."""


class MissingGlyphs(UserWarning):
    """Characters for which no installed font has a glyph: they are drawn as boxes."""


def families(texts: Iterable[str], *, monospaced: bool = False) -> list[str]:
    """Font families, in order of preference, that together hold as many glyphs of ``texts`` as can be had.

    Warns:
        MissingGlyphs: once, naming the characters no font holds.
    """
    from matplotlib.font_manager import findfont

    needed = {ord(character) for text in texts for character in text if _has_glyph(character)}
    chosen = [MONOSPACED, BASE] if monospaced else [BASE]
    needed -= glyphs(findfont(BASE), 0)
    if needed:
        for family, held in _candidates():
            if needed & held:
                chosen.append(family)
                needed -= held
            if not needed:
                break
    if needed:
        shown = "".join(chr(code) for code in sorted(needed)[:20])
        warnings.warn(
            f"no installed font has {shown}{' …' if len(needed) > 20 else ''}: drawn as boxes; install "
            "a font that has them (for Chinese, Japanese and Korean: pip install notojp-matplotlib)",
            MissingGlyphs,
            stacklevel=2,
        )
    return chosen


@lru_cache(maxsize=256)
def glyphs(path: str, index: int) -> frozenset[int]:
    """The code points one face of a font file has glyphs for; none for a font of pixels or a damaged one."""
    from matplotlib.ft2font import FT2Font

    try:
        # Before matplotlib 3.11 only the first face of a collection can be opened.
        font = FT2Font(path, face_index=index) if index else FT2Font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError, TypeError, ValueError):
        return frozenset()


def _candidates() -> Iterable[tuple[str, frozenset[int]]]:
    """Upright families of normal weight and what they hold: preferred ones first, then the fullest first."""
    faces: dict[str, tuple[str, int]] = {}
    for entry in _installed():
        if entry.style == "normal" and "Last Resort" not in entry.name:
            index = getattr(entry, "index", 0)
            if entry.weight in (400, "normal", "regular") or entry.name not in faces:
                faces[entry.name] = (entry.fname, index)
    for name in PREFERRED:
        if name in faces:
            yield name, glyphs(*faces.pop(name))
    rest = [(name, glyphs(*face)) for name, face in faces.items()]
    yield from sorted(rest, key=lambda item: (-len(item[1]), item[0]))


def _installed() -> list[Any]:
    """Matplotlib's list of fonts, with those added that were installed since it was written."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    found = [path for path in sorted(findSystemFonts()) if path not in known]
    package = importlib.util.find_spec(PACKAGED[0])
    if package is not None and package.origin is not None:
        packaged = Path(package.origin).parent / PACKAGED[1]
        if packaged.exists() and str(packaged) not in known:
            found.append(str(packaged))
    for path in found:
        try:
            fontManager.addfont(path)
        except (OSError, RuntimeError, ValueError):  # a damaged font is no reason not to draw
            continue
    return list(fontManager.ttflist)


def _has_glyph(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn")
