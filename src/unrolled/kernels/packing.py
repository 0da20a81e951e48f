"""Ragged batches without their padding."""

from __future__ import annotations

import torch
from torch import Tensor


class Packing:
    """Which rows are real, longest sequence first; without lengths all are, and nothing is moved."""

    def __init__(self, lengths: Tensor | None, time: int, batch: int) -> None:
        self.time, self.batch = time, batch
        self.order: Tensor | None = None
        if lengths is None:
            self.offsets = torch.arange(0, (time + 1) * batch, batch, device="cpu")
            self.total = time * batch
        else:
            ordered, self.order = torch.sort(lengths.cpu().long(), descending=True, stable=True)
            steps = torch.arange(time, device="cpu")[:, None]
            real = steps < ordered
            self.rows = (steps * batch + self.order)[real]
            self.offsets = torch.zeros(time + 1, dtype=torch.int64, device="cpu")
            torch.cumsum(real.sum(1), 0, out=self.offsets[1:])
            self.total = len(self.rows)

    def pack(self, padded: Tensor) -> Tensor:
        """``(time, batch, …)`` → ``(rows, …)``."""
        flat = padded.reshape(self.time * self.batch, -1)
        return flat.contiguous() if self.order is None else flat.index_select(0, self.rows)

    def pad(self, packed: Tensor) -> Tensor:
        """``(rows, …)`` → ``(time, batch, …)``, zero where there is no row."""
        if self.order is not None:
            flat = packed.new_zeros(self.time * self.batch, packed.shape[1])
            packed = flat.index_copy_(0, self.rows, packed)
        return packed.view(self.time, self.batch, -1)

    def sort(self, rows: Tensor | None) -> Tensor | None:
        """``(batch, …)``, longest sequence first, contiguous."""
        if rows is None:
            return None
        return rows.contiguous() if self.order is None else rows[self.order]

    def unsort(self, rows: Tensor) -> Tensor:
        """The inverse of :meth:`sort`."""
        return rows if self.order is None else torch.empty_like(rows).index_copy_(0, self.order, rows)

    def by_sentence(self, packed: Tensor) -> Tensor:
        """``(rows, features)`` → ``(batch, features, time)``."""
        return self.pad(packed).permute(1, 2, 0)

    def before(self, first: Tensor, packed: Tensor) -> Tensor:
        """Each row's predecessor: the step before, or ``first (batch, …)`` in packed order."""
        alive = self.offsets.diff()
        index = torch.arange(int(alive[0]), self.total, device="cpu") - alive[:-1].repeat_interleave(
            alive[1:]
        )
        return torch.cat((first[: alive[0]], packed.index_select(0, index)))
