"""Named points in a page: to be searched, enlarged and moved about, by pointer or keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from unrolled.drawing.colours import SERIES
from unrolled.drawing.markup import Markup
from unrolled.drawing.points import check_points

_WIDTH, _HEIGHT, _MARGIN = 1000.0, 700.0, 40.0

_STYLE = """
.scatter svg { width: 100%; height: auto; background: var(--soft); touch-action: none; cursor: grab }
.scatter circle { r: calc(4px * var(--zoom, 1)) }
.scatter text { font: calc(11px * var(--zoom, 1)) system-ui, sans-serif; fill: var(--ink); opacity: .8 }
.scatter .faint { opacity: .12 } .scatter .here text { font-weight: bold; opacity: 1 }
.scatter input { font: inherit; padding: .2rem .4rem } .scatter output { margin-left: 1rem }
.scatter .key { margin-right: 1rem; white-space: nowrap }
"""

SCATTER_SCRIPT = """
for (const box of document.querySelectorAll(".scatter")) {
  const svg = box.querySelector("svg"), find = box.querySelector("input"), out = box.querySelector("output");
  const whole = svg.viewBox.baseVal, full = [whole.x, whole.y, whole.width, whole.height];
  const points = [...svg.querySelectorAll("g[data-word]")];
  let view = [...full], held = null;
  const look = () => {
    svg.setAttribute("viewBox", view.join(" "));
    svg.style.setProperty("--zoom", view[2] / full[2]);
  };
  const zoom = (by, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) => {
    const k = Math.min(1, Math.max(1 / 200, view[2] / full[2] * by)) * full[2] / view[2];
    view = [x - (x - view[0]) * k, y - (y - view[1]) * k, view[2] * k, view[3] * k];
    look();
  };
  const move = (x, y) => { view[0] += x * view[2]; view[1] += y * view[3]; look(); };
  const place = (event) => {
    const at = svg.getBoundingClientRect();
    return [(event.clientX - at.x) / at.width, (event.clientY - at.y) / at.height];
  };
  svg.addEventListener("wheel", (event) => {
    const [x, y] = place(event);
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, view[0] + x * view[2], view[1] + y * view[3]);
    event.preventDefault();
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    held = place(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    const at = place(event);
    move(held[0] - at[0], held[1] - at[1]);
    held = at;
  });
  svg.addEventListener("pointerup", () => { held = null; });
  svg.addEventListener("dblclick", () => { view = [...full]; look(); });
  const keys = { ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1] };
  svg.addEventListener("keydown", (event) => {
    if (event.key in keys) move(...keys[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(1 / 1.2);
    else if (event.key === "-") zoom(1.2);
    else if (event.key === "Home") { view = [...full]; look(); }
    else return;
    event.preventDefault();
  });
  svg.addEventListener("pointerover", (event) => {
    const point = event.target.closest("g[data-word]");
    if (point) out.textContent = point.dataset.word;
  });
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    let found = 0;
    for (const point of points) {
      const hit = wanted !== "" && point.dataset.word.toLowerCase().includes(wanted);
      point.classList.toggle("here", hit);
      point.classList.toggle("faint", wanted !== "" && !hit);
      found += hit;
    }
    out.textContent = wanted === "" ? "" : found + " found";
  });
}
"""


def scatter_styles() -> str:
    """The style sheet of :func:`scatter_markup`."""
    return _STYLE


def scatter_markup(
    places: ArrayLike, labels: Sequence[str], *, groups: Sequence[str] | None = None
) -> Markup:
    """Points ``(n, 2)`` with their labels, to look about in; points of one group share a colour.

    Raises:
        ValueError: the places are not (number of labels, 2), or the groups do not fit.
    """
    positions = check_points(places, labels, groups)
    low, high = positions.min(0), positions.max(0)
    # One scale for both axes: a distance means the same in every direction.
    scale = min(
        (_WIDTH - 2 * _MARGIN) / max(high[0] - low[0], 1e-12),
        (_HEIGHT - 2 * _MARGIN) / max(high[1] - low[1], 1e-12),
    )
    at = (positions - (low + high) / 2) * [scale, -scale] + [_WIDTH / 2, _HEIGHT / 2]
    kinds = list(dict.fromkeys(groups)) if groups is not None else []
    colours = (
        [SERIES[kinds.index(group) % len(SERIES)] for group in groups]
        if groups is not None
        else [SERIES[0]] * len(labels)
    )
    points = "\n".join(
        f'<g data-word="{escape(label)}"><circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" dx=".5em" dy=".3em">{escape(label)}</text></g>'
        for (x, y), label, colour in zip(np.round(at, 1).tolist(), labels, colours, strict=True)
    )
    key = "".join(
        f'<span class="key"><span style="color: {SERIES[i % len(SERIES)]}">●</span> {escape(kind)}</span>'
        for i, kind in enumerate(kinds)
    )
    return Markup(
        '<div class="scatter"><p><label>Find <input type="search"></label>'
        '<output aria-live="polite"></output></p>'
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" tabindex="0" role="img" aria-label="{len(labels)} words;'
        f' arrows move, plus and minus zoom, Home shows all">\n{points}\n</svg><p>{key}</p></div>'
    )
