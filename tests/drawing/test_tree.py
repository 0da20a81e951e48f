from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

from unrolled.drawing.tree import Node, _depths, _extent, _heights, draw_tree

TREE = [
    Node("<s>", None, "won"),
    Node("a", 0, "won", "-0.1"),
    Node("b", 0, "kept", "-2"),
    Node("c", 1, "cut", "-3"),
    Node("d", 1, "won", "-0.3"),
]


def test_every_node_is_written_with_its_note(words: Callable[..., list[str]]) -> None:
    texts = words(draw_tree, TREE, title="Beam")
    assert {"<s>".replace("<", "&lt;").replace(">", "&gt;"), "a", "b", "c", "d", "-0.1", "-3", "Beam"} <= set(
        texts
    )
    assert {"the answer", "kept", "cut"} <= set(texts)
    assert not any("reference" in text for text in texts)


def test_leaves_stand_below_one_another_and_parents_beside_their_first_child() -> None:
    assert _depths(TREE) == [0, 1, 1, 2, 2]
    assert _heights(TREE) == [0, 0, 2, 0, 1]


def test_a_long_chain_needs_no_recursion() -> None:
    chain = [Node(str(i), i - 1 if i else None) for i in range(5000)]
    assert _depths(chain)[-1] == 4999
    assert set(_heights(chain)) == {0.0}


def test_a_node_before_its_parent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="node 0"):
        draw_tree([Node("a", 1), Node("b", None)], tmp_path / "a.png")
    with pytest.raises(ValueError, match="without nodes"):
        draw_tree([], tmp_path / "a.png")


def test_wide_tokens_get_the_room_they_take() -> None:
    assert _extent("漢" * 20, "") == _extent("x" * 40, "")
    assert _extent("", "漢字") == _extent("", "four")
