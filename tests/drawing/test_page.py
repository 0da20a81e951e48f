from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unrolled.drawing.curves import Series, draw_curves
from unrolled.drawing.figure import svg
from unrolled.drawing.markup import details, figure, table
from unrolled.drawing.page import Page
from unrolled.drawing.tokens import tokens_markup
from unrolled.errors import UserError

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Checked(HTMLParser):
    """Fails on tags that do not match; collects ids, links and everything that could name an address."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                self.addresses.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page() -> Page:
    made = Page("A <run>", lead="All & more")
    made.section("Text & tokens", "One <b> paragraph", tokens_markup(list("a<b"), [0.0, 0.5, 1.0]))
    made.section("Numbers", table(["a"], [[1.5]]), details("more", "hidden"))
    return made


def test_it_is_whole_escaped_and_asks_no_address() -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    made = page()
    for name in ("one", "two"):
        made.section(name, figure(svg(draw_curves, [Series(name, [1, 2], [3, 4], [2, 3], [4, 5])]), alt=name))
    text = made.html()
    parsed = Checked()
    parsed.feed(text)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(address.startswith(("#", "data:")) for address in parsed.addresses), parsed.addresses
    assert {address[1:] for address in parsed.addresses if address.startswith("#")} <= set(parsed.ids)
    assert not re.search(r"@import|url\((?!#|data:)", text)
    assert "default-src 'none'" in text
    assert "A &lt;run&gt;" in text
    assert "One &lt;b&gt; paragraph" in text


def test_it_follows_light_and_dark() -> None:
    text = page().html()
    assert "prefers-color-scheme: dark" in text
    assert "color-scheme: light dark" in text


def test_the_same_content_is_the_same_page(tmp_path: Path) -> None:
    page().write(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page().html()


def test_a_wrong_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.txt: give a file that ends in \.html"):
        page().write(tmp_path / "a.txt")
    with pytest.raises(UserError, match="does not exist"):
        page().write(tmp_path / "no" / "a.html")


def test_a_long_text_stays_a_small_page() -> None:
    made = Page("Gates")
    for unit in range(10):
        made.section(f"unit {unit}", tokens_markup(["x"] * 2000, [i / 2000 for i in range(2000)]))
    assert len(made.html().encode()) < 1_000_000
