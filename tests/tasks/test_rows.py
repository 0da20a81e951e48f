from __future__ import annotations

import numpy as np
import pytest

from unrolled.tasks import rows


def test_a_plan_makes_its_batches_when_asked() -> None:
    made: list[list[int]] = []
    plan = rows.Plan([np.array([2, 0]), np.array([1])], lambda each: made.append(each.tolist()) or len(each))
    assert len(plan) == 2
    assert made == []
    assert [plan[1], plan[0]] == [1, 2]
    assert made == [[1], [2, 0]]


def test_chunks_are_read_one_at_a_time() -> None:
    read: list[int] = []

    def stream():
        for number in range(2 * rows.CHUNK + 1):
            read.append(number)
            yield number

    chunks = rows.chunks(stream())
    assert len(next(chunks)) == rows.CHUNK
    assert len(read) == rows.CHUNK
    assert [len(chunk) for chunk in chunks] == [rows.CHUNK, 1]


def test_rows_alike_stand_together_and_empty_ones_nowhere() -> None:
    lengths = [3, 0, 90, 2, *range(1, 70)]
    groups = list(rows.alike([np.zeros(length, dtype=np.int32) for length in lengths]))
    assert sorted(row for group in groups for row in group) == [
        row for row, length in enumerate(lengths) if length
    ]
    assert max(map(len, groups)) == rows.ROWS
    in_order = [lengths[row] for group in groups for row in group]
    assert in_order == sorted(in_order, reverse=True)


def test_a_single_text_is_no_list_of_lines():
    with pytest.raises(TypeError, match=r"a single one is \['ab'\]"):
        next(rows.chunks("ab"))
