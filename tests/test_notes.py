"""``docs/notes.md`` quotes the code; what it quotes is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    re.findall(r"(?<!`)`([^`]+)`(?!`)", line)[-2:]
    for line in (ROOT / "docs/notes.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "`" in line
]


def test_there_are_formulas() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("file", "line"), ROWS)
def test_every_line_quoted_is_there(file: str, line: str) -> None:
    assert line in (ROOT / "src/unrolled" / file).read_text(encoding="utf-8")
