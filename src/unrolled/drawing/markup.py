"""HTML that is known to be safe: everything else is escaped on its way into a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape

Cell = str | int | float | None

_NUMBER = ' class="number"'


class Markup(str):
    """A piece of HTML made by this room; a plain ``str`` is text and gets escaped."""

    __slots__ = ()


def block(content: str) -> Markup:
    """Markup as it is; text as a paragraph."""
    return content if isinstance(content, Markup) else Markup(f"<p>{escape(content)}</p>")


def join(blocks: Iterable[str]) -> Markup:
    """Several blocks, one after another."""
    return Markup("\n".join(block(one) for one in blocks))


def preformatted(text: str) -> Markup:
    """Text with its own lines and spaces; it scrolls where it is too wide."""
    return Markup(f'<pre tabindex="0">{escape(text)}</pre>')


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str = "") -> Markup:
    """A table. Numbers stand to the right, floats with four significant digits; ``None`` is an empty cell.

    Raises:
        ValueError: a row of another length than the header.
    """
    body = []
    numbers = [False] * len(header)
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells does not fit {len(header)} columns")
        body.append("<tr>" + "".join(map(_cell, row)) + "</tr>")
        numbers = [was or isinstance(cell, int | float) for was, cell in zip(numbers, row, strict=True)]
    head = "".join(
        f'<th scope="col"{_NUMBER if number else ""}>{escape(name)}</th>'
        for name, number in zip(header, numbers, strict=True)
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    label = escape(caption or "table")
    return Markup(
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>{title}'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _prefixed(tag: str, prefix: str) -> str:
    tag = re.sub(r'\bid="([\w-]+)"', rf'id="{prefix}-\1"', tag)
    return re.sub(r'(url\(#|href="#)([\w-]+)', rf"\1{prefix}-\2", tag)


def figure(picture: str, *, alt: str, caption: str = "") -> Markup:
    """An SVG picture (from :func:`unrolled.drawing.figure.svg`) with what it shows in words.

    Raises:
        ValueError: ``picture`` is no SVG.
    """
    if not picture.startswith("<svg"):
        raise ValueError("a page's picture is an <svg> element")
    # Two pictures of a page may use the same id for different things: each gets its own prefix.
    prefix = "f" + sha256(picture.encode()).hexdigest()[:8]
    # Within tags alone: a label may look like one of these.
    picture = re.sub(r"<[^>]*>", lambda tag: _prefixed(tag[0], prefix), picture)
    picture = picture.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Markup(f'<figure><div class="wide" tabindex="0">{picture}</div>{note}</figure>')


def details(summary: str, *blocks: str) -> Markup:
    """Blocks that are shown when asked for."""
    return Markup(f"<details><summary>{escape(summary)}</summary>\n{join(blocks)}\n</details>")


def _cell(value: Cell) -> str:
    if isinstance(value, Markup):
        return f"<td>{value}</td>"
    if isinstance(value, str) or value is None:
        return f"<td>{escape(value or '')}</td>"
    return f"<td{_NUMBER}>{value:,}</td>" if isinstance(value, int) else f"<td{_NUMBER}>{value:.4g}</td>"
