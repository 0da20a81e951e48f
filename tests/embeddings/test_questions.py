from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.embeddings.questions import read_analogies, read_pairs
from unrolled.errors import UserError


def test_analogies_stand_in_sections(tmp_path: Path) -> None:
    (tmp_path / "q").write_text("a b c d\n: capital cities\nAthens Greece Oslo Norway\n\n")
    assert read_analogies(tmp_path / "q") == [
        ("all", "a", "b", "c", "d"),
        ("capital cities", "Athens", "Greece", "Oslo", "Norway"),
    ]


@pytest.mark.parametrize("text", ["# comment\nWord 1\tWord 2\tScore\na b\tc\t1.5\n", "a b 1.5\n"])
def test_pairs_come_with_tabs_or_spaces_and_perhaps_a_header(tmp_path: Path, text: str) -> None:
    (tmp_path / "p").write_text(text)
    assert read_pairs(tmp_path / "p") == [("a b", "c", 1.5) if "\t" in text else ("a", "b", 1.5)]


@pytest.mark.parametrize(
    ("reader", "text", "complaint"),
    [
        (read_analogies, "", "holds no questions"),
        (read_analogies, ": s\na b c\n", r"q:2: four words are wanted"),
        (read_pairs, "# nothing\n", "holds no pairs"),
        (read_pairs, "a\tb\t1\na\tb\tmuch\n", r"q:2: two words and a number"),
        (read_pairs, "a\tb\n", r"q:1: two words and a number"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, reader: object, text: str, complaint: str) -> None:
    (tmp_path / "q").write_text(text)
    with pytest.raises(UserError, match=complaint):
        reader(tmp_path / "q")  # type: ignore[operator]
