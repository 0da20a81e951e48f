from __future__ import annotations

import warnings

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from matplotlib.font_manager import findfont

from unrolled.drawing import fonts
from unrolled.drawing.fonts import BASE, MONOSPACED, MissingGlyphs, families, glyphs

NOBODY_HAS = "\U0001fbff\u0378"
"""A legacy computing symbol that text fonts lack, and an unassigned code point."""


def test_accents_cyrillic_greek_arabic_and_phonemes_need_one_font() -> None:
    assert families(["déjà vu", "Привет", "αβγ", "مرحبا", "ʃəŋ", "␣ ↵"]) == [BASE]


def test_monospaced_text_falls_back_to_the_same_list() -> None:
    assert families(["abc"], monospaced=True) == [MONOSPACED, BASE]


def test_spaces_and_controls_need_no_glyph() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert families([" \t\n\u200b\u3000"]) == [BASE]


def test_a_font_is_added_that_has_the_missing_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    have = {
        "Useless": frozenset({1, 2}),
        "Helpful": frozenset({ord("漢")}),
        "Also helpful": frozenset({ord("字")}),
    }
    monkeypatch.setattr(fonts, "_candidates", lambda: iter(have.items()))
    assert families(["漢字"]) == [BASE, "Helpful", "Also helpful"]
    assert families(["漢"]) == [BASE, "Helpful"]


def test_missing_glyphs_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_candidates", lambda: iter([]))
    with pytest.warns(MissingGlyphs, match="漢"):
        assert families(["漢漢", "漢"]) == [BASE]


def test_every_candidate_holds_what_it_says_and_none_is_the_last_resort() -> None:
    candidates = dict(fonts._candidates())
    assert BASE in candidates
    assert ord("é") in candidates[BASE]
    assert not any("Last Resort" in name for name in candidates)


def test_a_file_that_is_no_font_has_no_glyphs(tmp_path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    assert glyphs(str(tmp_path / "broken.ttf"), 0) == frozenset()
    assert glyphs(str(tmp_path / "absent.ttf"), 0) == frozenset()
    assert ord("ß") in glyphs(findfont(BASE), 0)
