"""What :func:`unrolled.nn.unroll.unroll` answers, whichever path ran."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Unrolled:
    """A cell's way through time; unpacks as the pair ``output, state``.

    Attributes:
        output: ``(time, batch, output)``, zero past each sequence's length.
        state: the state at each sequence's last real step; the initial state where the length is zero.
        record: what was asked for with ``record``: name → ``(time, batch, …)``, zero past each length.
    """

    output: Tensor
    state: Any
    record: dict[str, Tensor] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        yield self.output
        yield self.state

    def __getitem__(self, index: int) -> Any:
        """As of torch's pair: ``layer(x)[0]`` is the output."""
        return (self.output, self.state)[index]
