"""The pages in a browser: nothing is asked of any address, every key works, light and dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.inspection import report
from unrolled.inspection.gates import Gates, Saturation, Trace, Unit
from unrolled.tasks.translate import Translator

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser(lacking: Callable[[str], Any]) -> Iterator[Any]:
    """A headless Chromium, or a skip that says why."""
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    playwright = pytest.importorskip("playwright.sync_api", reason="pages are tested with playwright")
    if CHROMIUM is None:
        lacking("pages are tested in Chromium: apt-get install chromium, or set CHROMIUM")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """``open_page(path, scheme) -> the page``; a request beyond the file, or a script's error, fails."""
    opened: list[Any] = []
    wrong: list[str] = []

    def open_page(path: Path, scheme: str = "light") -> Any:
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 800})
        opened.append(context)
        page = context.new_page()
        page.on(
            "request", lambda request: wrong.append(request.url) if request.url != path.as_uri() else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in opened:
        context.close()
    assert [each for each in wrong if not each.startswith("data:")] == []


@pytest.fixture(scope="module")
def page_of_a_run(load: Callable[..., Translator], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    report(load(), ["a b c", "d d"], ["C B A", "D D"], judged=2).page().write(path)
    return path


def test_a_report_shows_every_view(open_page: Callable[..., Any], page_of_a_run: Path) -> None:
    page = open_page(page_of_a_run)
    titles = page.locator("h2").all_inner_texts()
    assert len(titles) == len(page.locator("nav a").all()) >= 10
    assert page.locator("figure svg[role=img]").count() > 10
    for picture in page.locator("figure svg").all():
        assert picture.get_attribute("aria-label")
        box = picture.bounding_box()
        assert min(box["width"], box["height"]) > 50
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000


def test_it_follows_light_and_dark(open_page: Callable[..., Any], page_of_a_run: Path) -> None:
    colours = [
        open_page(page_of_a_run, scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(255, 255, 255)", "rgb(23, 24, 28)"]


def test_everything_is_reached_by_keyboard(open_page: Callable[..., Any], page_of_a_run: Path) -> None:
    page = open_page(page_of_a_run)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    closed = page.locator("details:not([open])").first
    closed.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    text = page.locator(".tokens pre").first
    text.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    here = page.locator(".tokens b.here")
    assert here.count() == 1
    assert here.evaluate("e => Array.prototype.indexOf.call(e.parentNode.children, e)") == 1
    said = page.locator(".tokens output").first.inner_text()
    assert said.endswith(here.get_attribute("data-v"))


def test_text_is_text(open_page: Callable[..., Any], tmp_path: Path) -> None:
    tokens = ["<script>alert(1)</script>", "&amp;", '"', "ع", "字", "\n"]
    values = np.linspace(0, 1, len(tokens))[:, None]
    trace = Trace("<b>cell</b>", "cell", [tokens], "", values)
    view = Gates([trace], [Saturation("<i>", "update", 0.0, 1.0)], [], [Unit("<b>cell</b>", "cell", 0)])
    view.page().write(tmp_path / "a.html")
    page = open_page(tmp_path / "a.html")
    assert page.locator(".tokens b").all_inner_texts()[:5] == tokens[:5]
    assert page.locator("script").count() == 1
    assert page.locator("td").first.inner_text() == "<i>"


def test_a_long_text_is_a_small_page_that_opens_at_once(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    tokens = [chr(97 + letter) for letter in random.integers(0, 26, 2000)]
    traces = [
        Trace("layers.cells.0", name, [tokens], "", random.random((2000, 256)))
        for name in ("update", "forget", "candidate", "output", "cell", "hidden")
    ]
    view = Gates(traces, [], [], [Unit("layers.cells.0", "cell", unit) for unit in range(5)])
    view.page().write(tmp_path / "long.html")
    assert (tmp_path / "long.html").stat().st_size < 5_000_000
    # From the navigation's start until a frame has been drawn; the best of three, as machines are busy.
    drawn = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
    took = []
    for _ in range(3):
        page = open_page(tmp_path / "long.html")
        took.append(page.evaluate(drawn))
        assert page.locator(".tokens b").count() == 10_000
    print("opened in", took, "ms")
    assert min(took) < 2000
