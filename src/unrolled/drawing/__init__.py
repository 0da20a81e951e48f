"""Arrays and labels in, pictures and pages out (PNG, SVG, HTML). The only room that knows matplotlib.

Matplotlib comes with the extra ``drawing`` and is imported when something is drawn, not before; pages need it
only for the pictures in them.
"""

from unrolled.drawing.colours import Map
from unrolled.drawing.curves import Series, draw_curves
from unrolled.drawing.figure import check_target, svg
from unrolled.drawing.heatmap import draw_alignment, draw_confusion, draw_heatmap
from unrolled.drawing.histogram import draw_histogram
from unrolled.drawing.labels import token_label
from unrolled.drawing.markup import Cell, Markup, details, figure, preformatted, table
from unrolled.drawing.page import Page
from unrolled.drawing.points import draw_points
from unrolled.drawing.scatter import scatter_markup
from unrolled.drawing.shapes import SHAPES, draw_shape
from unrolled.drawing.sheet import draw_sheet
from unrolled.drawing.tokens import draw_tokens, tokens_markup
from unrolled.drawing.tree import Node, Standing, draw_tree

__all__ = [
    "SHAPES",
    "Cell",
    "Map",
    "Markup",
    "Node",
    "Page",
    "Series",
    "Standing",
    "check_target",
    "details",
    "draw_alignment",
    "draw_confusion",
    "draw_curves",
    "draw_heatmap",
    "draw_histogram",
    "draw_points",
    "draw_shape",
    "draw_sheet",
    "draw_tokens",
    "draw_tree",
    "figure",
    "preformatted",
    "scatter_markup",
    "svg",
    "table",
    "token_label",
    "tokens_markup",
]
