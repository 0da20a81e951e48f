from __future__ import annotations

import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs.device import device, use_threads


def test_devices_by_name() -> None:
    assert device("cpu") == torch.device("cpu")
    assert device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:99", "toaster", "cpu:x"])
def test_a_device_that_is_not_here(name: str) -> None:
    with pytest.raises(UserError, match=rf"--device {name}: not on this machine, which has cpu"):
        device(name)


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        assert use_threads(None) == before
        assert use_threads(2) == torch.get_num_threads() == 2
        with pytest.raises(UserError, match="--threads 0: should be 1 or more"):
            use_threads(0)
    finally:
        torch.set_num_threads(before)
