from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.models.segments import Segments


@given(time=st.integers(1, 7), batch=st.integers(1, 4), seed=st.integers(0, 1000))
def test_what_is_split_is_joined_in_its_places(time: int, batch: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    resets = torch.rand(time, batch, generator=generator) < 0.4
    values = torch.randn(time, batch, 3, generator=generator)
    segments = Segments.cut(resets)
    ragged = segments.split(values)
    assert torch.equal(segments.join(ragged, time), values)
    assert int(segments.lengths.sum()) == time * batch
    # Within a segment nothing but its first step may be a reset.
    inside = resets[segments.steps, segments.columns]
    inside[torch.arange(len(inside))[:, None] >= segments.lengths] = False
    assert not bool(inside[1:].any())
    before = (torch.randn(2, batch, 5, generator=generator),)
    begun = segments.begin(before)[0]
    for segment in range(len(segments.lengths)):
        column, step = int(segments.columns[0, segment]), int(segments.steps[0, segment])
        goes_on = step == 0 and not bool(resets[0, column])
        assert torch.equal(begun[:, segment], before[0][:, column] * goes_on)
    ends = segments.end((torch.arange(len(segments.lengths)).expand(1, -1),))[0][0]
    for column, segment in enumerate(ends.tolist()):
        assert int(segments.columns[0, segment]) == column
        assert int(segments.steps[0, segment] + segments.lengths[segment]) == time
