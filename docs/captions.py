"""Draws pictures of two coloured shapes and says what is on them: a small world to learn captions in.

    python docs/captions.py FOLDER [NUMBER]

writes NUMBER pictures (1,200 unless given) and ``captions.tsv`` (picture TAB caption) into FOLDER.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": "#d23c3c", "green": "#3c9b50", "blue": "#3c5ad2", "yellow": "#ebc832"}
SHAPES = ("circle", "square", "triangle")
SIDE = 128


def draw(seed: int) -> tuple[Image.Image, str]:
    """The picture of a number, and its caption: the same on every machine."""
    chance = random.Random(seed)
    grey = chance.randint(120, 245)
    # Drawn at four times the size, so that edges are smooth.
    canvas = Image.new("RGB", (4 * SIDE, 4 * SIDE), (grey, grey, grey))
    brush = ImageDraw.Draw(canvas)
    beside = chance.random() < 0.5
    things = []
    for place in (0, 1):
        colour, shape = chance.choice([*COLOURS]), chance.choice(SHAPES)
        things.append(f"a {colour} {shape}")
        across, along = 2 * SIDE + chance.randint(-60, 60), SIDE + 2 * SIDE * place + chance.randint(-20, 20)
        centre = (along, across) if beside else (across, along)
        _shape(brush, shape, *centre, chance.randint(60, 95), COLOURS[colour])
    relation = "left of" if beside else "above"
    return canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS), f"{things[0]} {relation} {things[1]}"


def _shape(brush: ImageDraw.ImageDraw, shape: str, x: int, y: int, radius: int, colour: str) -> None:
    if shape == "circle":
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    elif shape == "square":
        side = round(0.85 * radius)
        brush.rectangle((x - side, y - side, x + side, y + side), colour)
    else:
        brush.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], colour)


def write(folder: Path, numbers: range) -> None:
    """Draw pictures ``<number>.png`` and their ``captions.tsv`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.tsv").open("w", encoding="utf-8") as captions:
        for number in numbers:
            picture, caption = draw(number)
            picture.save(folder / f"{number:05d}.png")
            captions.write(f"{number:05d}.png\t{caption}\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), range(int(sys.argv[2]) if len(sys.argv) > 2 else 1200))
