"""Sequences that begin anew in the middle of a window, as sequences of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unrolled.nn.cells import State


@dataclass(frozen=True)
class Segments:
    """The stretches of a window between the places where the state is zero again.

    Each becomes a row of a ragged batch, so that one ``unroll`` runs them all.

    Attributes:
        steps, columns: where in the window each position of the ragged batch stands, ``(longest, segments)``.
        lengths: ``(segments,)``.
        goes_on: segments that go on with the state from before the window, and belong to ``columns``.
        last: the last segment of each column, ``(batch,)``.
    """

    steps: Int[Tensor, "longest segments"]
    columns: Int[Tensor, "longest segments"]
    lengths: Int[Tensor, " segments"]
    goes_on: Bool[Tensor, " segments"]
    last: Int[Tensor, " batch"]

    @classmethod
    def cut(cls, resets: Bool[Tensor, "time batch"]) -> Segments:
        """Cut a window before each step that ``resets`` names."""
        time, batch = resets.shape
        begins = resets.clone()
        begins[0] = True
        column, start = begins.t().nonzero(as_tuple=True)  # column after column, each in order
        after = torch.cat((start[1:], start.new_tensor([time])))
        lengths = torch.where(after > start, after, time) - start
        steps = start + torch.arange(int(lengths.max()), device=start.device)[:, None]
        last = begins.sum(0).cumsum(0) - 1
        return cls(
            steps.clamp(max=time - 1),
            column.expand_as(steps),
            lengths,
            (start == 0) & ~resets[0, column],
            last.expand(batch),
        )

    def split(self, values: Float[Tensor, "time batch size"]) -> Float[Tensor, "longest segments size"]:
        """The ragged batch; what stands past a length is not to be looked at."""
        return values[self.steps, self.columns]

    def begin(self, state: State) -> State:
        """The state before each segment; of a layered state ``(layers, batch, …)``."""
        return tuple(
            part[:, self.columns[0]].where(_broadcast(self.goes_on, part[:, self.columns[0]]), 0)
            for part in state
        )

    def join(
        self, output: Float[Tensor, "longest segments size"], time: int
    ) -> Float[Tensor, "time batch size"]:
        """The ragged batch's output back in its places."""
        real = torch.arange(len(output), device=output.device)[:, None] < self.lengths
        joined = output.new_zeros(time, len(self.last), output.shape[-1])
        return joined.index_put((self.steps[real], self.columns[real]), output[real])

    def end(self, state: State) -> State:
        """The state after each column's last segment."""
        return tuple(part[:, self.last] for part in state)


def _broadcast(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(1, -1, *(1,) * (like.ndim - 2))
