from __future__ import annotations

import re

import pytest

from unrolled.drawing.markup import Markup, block, details, figure, join, preformatted, table

EVIL = "<script>alert('x')</script>&\""


@pytest.mark.parametrize(
    "made",
    [
        block(EVIL),
        join([EVIL, EVIL]),
        preformatted(EVIL),
        table([EVIL], [[EVIL]], caption=EVIL),
        details(EVIL, EVIL),
        figure("<svg x></svg>", alt=EVIL, caption=EVIL),
    ],
)
def test_text_is_escaped(made: str) -> None:
    assert isinstance(made, Markup)
    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_markup_passes_unchanged() -> None:
    assert block(Markup("<p>x</p>")) == "<p>x</p>"


def test_numbers_stand_to_the_right() -> None:
    made = table(["name", "n", "score"], [["a", 12345, 0.123456], ["b", None, None]])
    assert '<td class="number">12,345</td><td class="number">0.1235</td>' in made
    assert "<td>b</td><td></td><td></td>" in made
    assert '<th scope="col">name</th><th scope="col" class="number">n</th>' in made
    with pytest.raises(ValueError, match="2 cells"):
        table(["one"], [["a", "b"]])


def test_pictures_of_one_page_do_not_share_ids() -> None:
    one = '<svg ><path id="p1"/><use xlink:href="#p1"/><g clip-path="url(#p1)"/></svg>'
    other = one.replace("<path", "<rect")
    made = figure(one, alt="one") + figure(other, alt="other")
    ids = re.findall(r'\bid="([^"]+)"', made)
    assert len(set(ids)) == 2
    assert set(re.findall(r"#([\w-]+)", made)) == set(ids)
    with pytest.raises(ValueError, match="svg"):
        figure("<img>", alt="x")


def test_labels_that_look_like_ids_stay() -> None:
    drawn = figure('<svg><g id="one"/><use href="#one"/><text>id="main"</text></svg>', alt="x")
    assert '<text>id="main"</text>' in drawn
    assert 'id="one"' not in drawn
    assert 'href="#one"' not in drawn
