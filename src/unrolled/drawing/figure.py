"""One door between pictures and matplotlib: what may be written, how it looks, the same every time.

The same data gives the same bytes: a user's own matplotlib settings are set aside, ids in SVG come from a
fixed salt, and no date is written.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.drawing.colours import GRID, INK, MAPS, NOTHING, Map
from unrolled.drawing.fonts import BASE, MONOSPACED, families
from unrolled.errors import UserError
from unrolled.files import check_output, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Target = str | Path | io.StringIO
"""Where a picture goes: a file ending in .png or .svg, or a text buffer that takes the SVG of a page."""

ENDINGS = (".png", ".svg")
DOTS_PER_INCH = 150
_LONGEST_SIDE = 200.0  # inches; beyond it a PNG would not fit the 2¹⁶ pixels that Agg allows


def check_target(path: str | Path) -> Path:
    """The path, when a picture can be written there: to be asked before a long computation, not after it.

    Raises:
        UserError: as :func:`unrolled.files.check_output`; or matplotlib is missing.
    """
    path = check_output(path, ENDINGS)
    _matplotlib()
    return path


@contextmanager
def draw_on(
    target: Target, texts: Iterable[str], width: float, height: float, *, monospaced: bool = False
) -> Iterator[Figure]:
    """A figure of ``width`` × ``height`` inches with fonts for ``texts``, written to ``target`` at the end.

    What is drawn beyond these borders (labels) is kept: the picture grows to hold it.

    Raises:
        UserError: the target cannot be written, or matplotlib is missing.
    """
    matplotlib = _matplotlib()
    if isinstance(target, io.StringIO):
        # In a page text stays text, set in the fonts of whoever reads it.
        fonts = ["monospace" if monospaced else "sans-serif"]
    else:
        target = check_target(target)
        fonts = families(texts, monospaced=monospaced)
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        # `families` has said already, once and in full, which characters no font holds.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": fonts,
                "font.sans-serif": [BASE],
                "font.monospace": [MONOSPACED],
                "font.size": 9,
                "axes.titlesize": 10,
                "text.parse_math": False,  # a token may hold a dollar sign
                "text.color": INK,
                "axes.edgecolor": INK,
                "axes.labelcolor": INK,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.linewidth": 0.7,
                "axes.axisbelow": True,
                "xtick.color": INK,
                "ytick.color": INK,
                "grid.color": GRID,
                "grid.linewidth": 0.4,
                "grid.alpha": 0.5,
                "legend.frameon": False,
                "svg.hashsalt": "unrolled",
                "svg.fonttype": "none" if isinstance(target, io.StringIO) else "path",
            }
        )
        figure = Figure(figsize=(min(width, _LONGEST_SIDE), min(height, _LONGEST_SIDE)))
        yield figure
        _write(figure, target)


def svg(draw: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """The SVG that ``draw(…, path=…)`` would write, for use inside a page.

    Text stays text, to be read, searched and set in the reader's own fonts; ink takes the page's text colour.
    """
    buffer = io.StringIO()
    draw(*arguments, path=buffer, **options)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def colour_map(kind: Map) -> Colormap:
    """A map of :mod:`unrolled.drawing.colours` as matplotlib knows maps."""
    from matplotlib.colors import LinearSegmentedColormap

    made = LinearSegmentedColormap.from_list(kind, MAPS[kind])
    return made.with_extremes(bad=NOTHING)


def log_axis(axes: Axes, which: str) -> None:
    """Make an axis logarithmic, with powers of ten written in plain characters (10⁻³)."""
    from matplotlib.ticker import FuncFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log", nonpositive="mask")
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    low, high = sorted(axis.get_view_interval())
    # Between the powers of ten, what there is room for.
    labelled = "123456789" if high <= 20 * low else "25" if high <= 2000 * low else ""
    axis.set_minor_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in labelled else "")
    )


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power(value: float) -> str:
    exponent = round(math.log10(value)) if value > 0 else 0
    if value <= 0 or not math.isclose(value, 10.0**exponent) or -3 <= exponent <= 4:
        return f"{value:g}"
    return "10" + str(exponent).translate(_RAISED)


def _write(figure: Figure, target: Target) -> None:
    inline = isinstance(target, io.StringIO)
    kind = "svg" if inline else Path(str(target)).suffix.lower()[1:]
    metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format=kind,
        dpi=DOTS_PER_INCH,
        bbox_inches="tight",
        pad_inches=0.1,
        metadata=metadata,
        transparent=inline,
    )
    data = buffer.getvalue()
    if isinstance(target, io.StringIO):
        target.write(_trimmed(data.decode("utf-8")))
        return
    with writing(Path(target)):
        Path(target).write_bytes(data)


def _trimmed(text: str) -> str:
    """The SVG for a page: without description, and each id once and only where something refers to it."""
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    wanted = set(re.findall(r"#([\w-]+)", text))

    def keep(found: re.Match[str]) -> str:
        if found[1] not in wanted:
            return ""
        wanted.remove(found[1])  # matplotlib names things by their content: what follows is the same again
        return found[0]

    return re.sub(r' id="([^"]+)"', keep, text)


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise UserError(
            "pictures need matplotlib: install the extra with  pip install 'unrolled[drawing]'"
        ) from None
    return matplotlib
