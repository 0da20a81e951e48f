from __future__ import annotations

import numpy as np
import pytest
import torch

import unrolled
from unrolled.errors import UserError
from unrolled.training.exactness import (
    check_environment,
    deterministic,
    environment,
    seed_for,
)


def test_every_update_of_every_seed_draws_its_own_numbers() -> None:
    seeds = {seed_for(seed, update) for seed in range(50) for update in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Part of the run format: a resumed training must draw what the interrupted one would have.
    assert seed_for(1, 1) == 73533451931980509


def test_torchs_settings_and_generator_are_put_back() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with deterministic(torch.device("cpu")):
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(5)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(2), expected)


def test_versions_and_the_processor_are_compared_where_they_were_recorded() -> None:
    now = environment(torch.device("cpu"))
    assert (now["unrolled"], now["numpy"]) == (unrolled.__version__, np.__version__)
    check_environment("run", {"threads": now["threads"], "data": "x"}, now)  # as an older version recorded it
    for key in ("unrolled", "numpy", "cpu"):
        with pytest.raises(UserError, match=f"run: was trained with {key} other, now it is .*inexact"):
            check_environment("run", {**now, key: "other"}, now)
