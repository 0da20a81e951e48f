"""A self-contained HTML page: opens offline, asks no address for anything, reads well in light and in dark.

The page's own policy forbids every request. All text is escaped; everything can be reached by keyboard.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from unrolled.drawing.markup import Markup, join
from unrolled.drawing.scatter import SCATTER_SCRIPT, scatter_styles
from unrolled.drawing.tokens import token_styles
from unrolled.files import check_output, writing

_STYLE = """
:root { color-scheme: light dark;
  --ink: #1b1b1e; --page: #ffffff; --soft: #f1f2f5; --line: #d5d7de; --link: #0b57a4; --shade: #0003 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e7ea; --page: #17181c; --soft: #23252b; --line: #3d4049; --link: #8ec1f5;
    --shade: #fff2 }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 70rem; padding: 1rem 1.25rem 4rem;
  color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.2 } h2 { font-size: 1.25rem; margin-top: 2.5rem }
a { color: var(--link) }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none }
.skip { position: absolute; left: -100rem } .skip:focus { position: static }
.wide { overflow-x: auto; background: /* a shade at the side where more can be scrolled to */
  linear-gradient(to right, var(--page) 50%, transparent) left / 3rem 100% local,
  linear-gradient(to left, var(--page) 50%, transparent) right / 3rem 100% local,
  linear-gradient(to right, var(--shade), transparent) left / 1rem 100%,
  linear-gradient(to left, var(--shade), transparent) right / 1rem 100%; background-repeat: no-repeat }
figure { margin: 1rem 0 } figure svg { max-width: none; height: auto; display: block }
figcaption, caption { text-align: left; padding: .3rem 0; font-size: .9rem }
table { border-collapse: collapse; font-size: .9rem; margin: .3rem 0 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { vertical-align: bottom }
.number { text-align: right; font-variant-numeric: tabular-nums }
pre { padding: .6rem; background: var(--soft); overflow-x: auto; font: .9rem/1.6 ui-monospace, monospace }
.tokens pre { white-space: pre-wrap; overflow-wrap: anywhere }
.tokens b { font-weight: normal } .tokens b.here { outline: 2px solid var(--link) }
.scale { margin: .3rem 0; font-size: .85rem } .scale span { padding: .1rem .5rem }
details { margin: 1rem 0 } summary { cursor: pointer }
@media print { .skip, nav { display: none } }
"""

_SCRIPT = """
for (const box of document.querySelectorAll(".tokens")) {
  const text = box.querySelector("pre"), out = box.querySelector("output");
  const all = text.querySelectorAll("b");
  let at = -1;
  const show = (i) => {
    if (i < 0 || i >= all.length) return;
    all[at]?.classList.remove("here");
    all[at = i].classList.add("here");
    out.textContent = all[i].textContent.trim() + ": " + all[i].dataset.v;
  };
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  text.addEventListener("keydown", (event) => {
    if (event.key in steps) show(at + steps[event.key]);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(all.length - 1);
    else return;
    event.preventDefault();
  });
  text.addEventListener("mouseover", (event) => {
    const i = Array.prototype.indexOf.call(all, event.target);
    if (i >= 0) show(i);
  });
}
"""


class Page:
    """A page in the making: a title, then sections, then :meth:`write`.

    Blocks are plain strings (paragraphs, escaped) or what :mod:`unrolled.drawing.markup` and
    :func:`unrolled.drawing.tokens.tokens_markup` make.
    """

    def __init__(self, title: str, *, lead: str = "") -> None:
        self.title = title
        self.lead = lead
        self._sections: list[tuple[str, Markup]] = []

    def section(self, title: str, *blocks: str) -> None:
        """Add a section; where there are several, the page's navigation links to each."""
        self._sections.append((title, join(blocks)))

    def html(self) -> str:
        """The whole page as one string; the same content gives the same string."""
        links = "".join(
            f'<li><a href="#s{i}">{escape(t)}</a></li>' for i, (t, _) in enumerate(self._sections)
        )
        nav = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if len(self._sections) > 1 else ""
        body = "\n".join(
            f'<section id="s{i}" aria-labelledby="h{i}">\n'
            f'<h2 id="h{i}">{escape(title)}</h2>\n{content}\n</section>'
            for i, (title, content) in enumerate(self._sections)
        )
        lead = f"<p>{escape(self.lead)}</p>" if self.lead else ""
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<title>{escape(self.title)}</title>
<style>{_STYLE}{token_styles()}{scatter_styles()}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>{escape(self.title)}</h1>
{lead}
{nav}
</header>
<main id="content" tabindex="-1">
{body}
</main>
<script>{_SCRIPT}{SCATTER_SCRIPT}</script>
</body>
</html>
"""

    def write(self, path: str | Path) -> None:
        """Write the page.

        Raises:
            UserError: as :func:`unrolled.files.check_output`.
            RunError: the file cannot be written.
        """
        path = check_output(path, (".html", ".htm"))
        with writing(path):
            path.write_text(self.html(), encoding="utf-8")
