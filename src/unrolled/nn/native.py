"""When the native kernels may stand in for plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from unrolled import kernels


def applies(*tensors: Tensor) -> bool:
    """Whether there are kernels for these tensors: all on a CPU, all float32 or all float64, and nothing
    that must see single operations is looking on (autocast, ``torch.func``, forward-mode derivatives)."""
    dtype = tensors[0].dtype
    return (
        kernels.load() is not None
        and dtype in (torch.float32, torch.float64)
        and all(isinstance(t, Tensor) and t.dtype == dtype and t.device.type == "cpu" for t in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )
