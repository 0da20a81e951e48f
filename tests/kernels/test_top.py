from __future__ import annotations

import pytest
import torch

from unrolled.kernels.top import top


@pytest.mark.parametrize("k", [1, 2, 5, 9, 20])
@pytest.mark.parametrize("seed", range(5))
def test_top_is_a_stable_sort_cut_short(k, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 4, (6, 9), generator=generator).double()
    values, ids = top(scores, k)
    expected, order = scores.sort(dim=-1, descending=True, stable=True)
    assert torch.equal(values, expected[:, :k])
    assert torch.equal(ids, order[:, :k])
