"""A gradient made as a graph is the gradient, also where one input of a kernel was made from another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from unrolled import kernels
from unrolled.nn import additive, unroll
from unrolled.nn.attention import AttentionMemory, make_attention
from unrolled.nn.attentive import Bahdanau, DecoderMemory
from unrolled.nn.cells import GRU, LSTM, Cell
from unrolled.nn.loss import projected_cross_entropy

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


class Own(Cell):
    def __init__(self) -> None:
        super().__init__(3, 3)
        self.inner = nn.Linear(3, 3, dtype=torch.float64)

    def step(self, projected, state, memory=None):
        return (torch.tanh(projected + self.inner(state[0])),)


def twice(cell: Cell) -> tuple[Tensor, Sequence[Tensor]]:
    """A cell over what it made itself, from the state it came to."""
    inputs = random(4, 2, 3)
    first = unroll(cell, inputs)
    return unroll(cell, first.output, first.state).output, (inputs, *cell.parameters())


def attending() -> tuple[Tensor, Sequence[Tensor]]:
    """Keys that are made of the values, an input and a first state that are, too."""
    attention = make_attention("additive", 3, 4, 5).double()
    cell = Bahdanau(LSTM(3 + 4, 3, dtype=torch.float64), attention)
    values = random(2, 6, 4)
    memory: AttentionMemory = attention.remember(values.transpose(0, 1), torch.tensor([6, 4]))
    inputs = values.transpose(0, 1)[:, :, :3]
    state = (values[:, 0, :3], values[:, 1, :3], values[:, 2])
    made = unroll(cell, inputs, state, memory=DecoderMemory(memory))
    return made.output, (values, *cell.parameters())


def tied() -> tuple[Tensor, Sequence[Tensor]]:
    weight = random(7, 3)
    return projected_cross_entropy(weight[2:5] * 2, weight, None, torch.tensor([1, 2, 3])), (weight,)


def energies() -> tuple[Tensor, Sequence[Tensor]]:
    asked, weight = random(2, 3, 4), random(1, 4)
    return additive.energies(asked, asked * 2, weight), (asked, weight)


@pytest.mark.parametrize(
    "make",
    [
        lambda: twice(GRU(3, 3, dtype=torch.float64)),
        lambda: twice(LSTM(3, 3, dtype=torch.float64)),
        lambda: twice(Own()),
        attending,
        tied,
        energies,
    ],
    ids=["gru", "lstm", "own", "attending", "tied", "energies"],
)
def test_it_is_the_same_with_a_graph(make: Callable[[], tuple[Tensor, Sequence[Tensor]]]) -> None:
    output, inputs = make()
    weight = torch.randn_like(output)
    plain = torch.autograd.grad(output, inputs, weight, retain_graph=True)
    graph = torch.autograd.grad(output, inputs, weight, create_graph=True)
    for one, other in zip(plain, graph, strict=True):
        torch.testing.assert_close(one, other)
