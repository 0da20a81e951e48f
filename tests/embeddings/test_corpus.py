from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unrolled.embeddings import corpus as module
from unrolled.embeddings.corpus import Corpus

ROWS = [np.array(row, dtype=np.int32) for row in ([0, 1, 2], [], [3, 3], [1], [0, 2, 2, 2, 1])]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_blocks_are_the_text_in_order(tmp_path: Path, size: int) -> None:
    corpus = Corpus.write(tmp_path, ROWS, 5)
    assert corpus.counts.tolist() == [2, 3, 4, 2, 0]
    assert corpus.total == 11
    sentences, position = [], 0
    for block in corpus.blocks(size):
        assert block.position == position
        position += len(block.ids)
        sentences += [
            block.ids[a:b].tolist() for a, b in zip(block.bounds[:-1], block.bounds[1:], strict=True)
        ]
    assert sentences == [row.tolist() for row in ROWS if len(row)]
    assert position == corpus.total


def test_a_book_in_one_line_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 4)
    corpus = Corpus.write(tmp_path, [np.arange(10)], 10)
    (block,) = corpus.blocks(100)
    assert block.bounds.tolist() == [0, 4, 8, 10]
