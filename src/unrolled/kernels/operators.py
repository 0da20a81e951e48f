"""The kernels as torch operators: ``torch.ops.unrolled``, which the modules beside this one define."""

from __future__ import annotations

import torch

LIBRARY = torch.library.Library("unrolled", "FRAGMENT")
