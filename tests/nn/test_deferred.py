"""Deferred weight gradients are autograd's own, however a cell uses its parameters."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unrolled.nn import deferred as deferred_module
from unrolled.nn.cells import GRU, LSTM, Cell
from unrolled.nn.deferred import _Invariant, defer

STEPS, BATCH, SIZE = 4, 3, 5


@pytest.fixture(autouse=True)
def _small_matrices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_module, "SMALL", 0)


class Custom(Cell):
    """A cell whose step is a function of its parameters ``W``, ``V (size, size)``, ``b`` and the state."""

    def __init__(self, function: Callable[[Custom, Tensor, Tensor], Tensor]) -> None:
        super().__init__(SIZE, SIZE)
        self.function = function
        self.W = nn.Parameter(torch.randn(SIZE, SIZE, dtype=torch.float64) / 2)
        self.V = nn.Parameter(torch.randn(SIZE, SIZE, dtype=torch.float64) / 2)
        self.b = nn.Parameter(torch.randn(SIZE, dtype=torch.float64))
        self.inner = nn.Linear(2 * SIZE, SIZE, dtype=torch.float64)

    def step(self, projected, state, memory=None):
        return (torch.tanh(self.function(self, projected, state[0])),)


USES: dict[str, Callable[[Custom, Tensor, Tensor], Tensor]] = {
    "linear": lambda c, x, h: x + F.linear(h, c.W),
    "linear with bias": lambda c, x, h: x + F.linear(h, c.W, c.b),
    "keywords": lambda c, x, h: x + F.linear(h, weight=c.W, bias=c.b),
    "matmul": lambda c, x, h: x + h @ c.W,
    "transposed": lambda c, x, h: x + h @ c.W.T + torch.matmul(h, c.V.t()),
    "mm and addmm": lambda c, x, h: torch.mm(h, c.W) + torch.addmm(c.b, x, c.V),
    "scaled addmm": lambda c, x, h: torch.addmm(c.b, h, c.W, alpha=0.5),
    "a module on the joined": lambda c, x, h: c.inner(torch.cat((h, x), -1)),
    "slices": lambda c, x, h: F.linear(h[:, :2], c.W[:, :2]) + F.linear(x, c.W, c.b[:SIZE]),
    "chunks": lambda c, x, h: torch.cat([F.linear(h, w) for w in c.W.split(2)], -1) + x,
    "twice a step": lambda c, x, h: F.linear(torch.relu(F.linear(h, c.W)), c.W) + x,
    "twice with and without bias": lambda c, x, h: F.linear(F.linear(h, c.W, c.b), c.W) + x,
    "also element-wise": lambda c, x, h: F.linear(h, c.W) * c.b + c.W.sum() + x,
    "from the left": lambda c, x, h: (c.W @ h.t()).t() + x,
    "einsum": lambda c, x, h: torch.einsum("bi,ij->bj", h, c.W) + x,
    "three dimensions": lambda c, x, h: F.linear(torch.stack((h, x), 1), c.W, c.b).sum(1),
    "one dimension": lambda c, x, h: torch.stack([F.linear(row, c.W) for row in h]) + x,
    "of two parameters": lambda c, x, h: F.linear(h, c.W @ c.V) + x,
    "a bias of the step": lambda c, x, h: F.linear(h, c.W, x.mean(0) * c.b),
    "at some steps alone": lambda c, x, h: F.linear(h, c.W) + x if x.sum() > 0 else x + c.b,
    "not at all": lambda c, x, h: h + x,
    "with its gradient stopped": lambda c, x, h: F.linear(h, c.W.detach()) + F.linear(x, c.V),
}


def run(cell: Cell, inputs: Tensor, deferred: bool) -> Tensor:
    """A plain loop, the cell deferred or not."""
    cell = defer(cell, len(inputs)) if deferred else cell
    projected = cell.project(inputs)
    state = cell.initial_state(inputs.shape[1], like=inputs)
    outputs = []
    for x in projected.unbind(0):
        state = cell.step(x, state)
        outputs.append(cell.output(state))
    return torch.stack(outputs)


def gradients(cell: Cell, inputs: Tensor, deferred: bool) -> list[Tensor | None]:
    weight = torch.arange(1.0, STEPS + 1, dtype=torch.float64)[:, None, None]
    loss = (run(cell, inputs, deferred) * weight).square().sum()
    return list(torch.autograd.grad(loss, [inputs, *cell.parameters()], allow_unused=True))


def agree(got: list[Tensor | None], wanted: list[Tensor | None]) -> None:
    for a, b in zip(got, wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def some_inputs(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(STEPS, BATCH, SIZE, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.mark.parametrize("use", USES)
def test_gradients_are_those_of_autograd(use: str) -> None:
    torch.manual_seed(0)
    cell, inputs = Custom(USES[use]), some_inputs(1)
    agree(gradients(cell, inputs, True), gradients(cell, inputs, False))


@pytest.mark.parametrize("use", USES)
def test_so_are_second_derivatives(use: str) -> None:
    torch.manual_seed(2)
    cell, inputs = Custom(USES[use]), some_inputs(3)
    variables = [inputs, *cell.parameters()]

    def second(deferred: bool) -> list[Tensor | None]:
        first = torch.autograd.grad(
            run(cell, inputs, deferred).square().sum(), variables, create_graph=True, allow_unused=True
        )
        total = sum(g.square().sum() for g in first if g is not None)
        return list(torch.autograd.grad(total, variables, allow_unused=True))

    agree(second(True), second(False))


@pytest.mark.parametrize("product", [torch.mm, Tensor.mm, lambda x, w: torch.addmm(x.new_zeros(SIZE), x, w)])
def test_what_a_product_does_not_take_it_is_not_given(product: Callable[..., Tensor]) -> None:
    cell = Custom(lambda c, x, h: product(torch.stack((x, h)), c.W))
    with pytest.raises(RuntimeError):
        run(cell, some_inputs(1), True)


def nodes(tensor: Tensor) -> list[str]:
    """The names of all functions behind a tensor."""
    seen, queue = set(), [tensor.grad_fn]
    while queue:
        node = queue.pop()
        if node is not None and node not in seen:
            seen.add(node)
            queue += [next_node for next_node, _ in node.next_functions]
    return [node.name() for node in seen]


@pytest.mark.parametrize(
    "use", ["linear with bias", "matmul", "transposed", "mm and addmm", "a module on the joined", "chunks"]
)
def test_products_with_a_parameter_are_deferred(use: str) -> None:
    """Otherwise every other test here would pass with nothing deferred."""
    torch.manual_seed(4)
    names = nodes(run(Custom(USES[use]), some_inputs(5), True))
    assert sum("_LinearBackward" in name for name in names) >= STEPS
    assert not any(name.startswith(("AddmmBackward", "MmBackward")) for name in names)
    assert sum("_GatherBackward" in name for name in names) <= 3


def test_one_place_is_filled_by_a_step_that_autograd_reaches() -> None:
    torch.manual_seed(6)
    cell, inputs = Custom(USES["linear with bias"]), some_inputs(7)
    parts = [run(cell, inputs, deferred)[1].sum() for deferred in (True, False)]
    variables = [cell.W, cell.b]
    agree(*(list(torch.autograd.grad(part, variables)) for part in parts))


def test_backward_twice_through_a_kept_graph_and_without_the_weights() -> None:
    torch.manual_seed(8)
    cell, inputs = Custom(USES["twice with and without bias"]), some_inputs(9)
    loss = run(cell, inputs, True).square().sum()
    variables = [inputs, cell.W, cell.b]
    once = torch.autograd.grad(loss, variables, retain_graph=True)
    (alone,) = torch.autograd.grad(loss, [inputs], retain_graph=True)
    again = torch.autograd.grad(loss, variables)
    agree(list(again), list(once))
    agree([alone], [once[0]])


@pytest.mark.parametrize("frozen", ["W", "b"])
def test_frozen_parameters_get_no_gradient(frozen: str) -> None:
    torch.manual_seed(10)
    cell, inputs = Custom(USES["linear with bias"]), some_inputs(11)
    getattr(cell, frozen).requires_grad_(False)
    for deferred in (True, False):
        cell.zero_grad()
        run(cell, inputs, deferred).sum().backward()
        assert getattr(cell, frozen).grad is None
        if deferred:
            kept = {name: p.grad.clone() for name, p in cell.named_parameters() if p.grad is not None}
    agree(list(kept.values()), [p.grad for p in cell.parameters() if p.grad is not None])


def test_the_cell_is_left_as_it_was() -> None:
    cell = Custom(USES["linear"])
    copy = defer(cell, STEPS)
    assert type(copy.W) is _Invariant
    assert type(cell.W) is nn.Parameter
    assert isinstance(copy, Custom)
    assert copy.inner is not cell.inner
    assert type(cell.inner.weight) is nn.Parameter


def test_small_matrices_are_left_to_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_module, "SMALL", SIZE * SIZE + 1)
    cell = Custom(USES["linear"])
    copy = defer(cell, STEPS)
    assert copy.W is cell.W
    assert type(copy.inner.weight) is _Invariant


def test_nothing_is_deferred_where_nothing_is_learned() -> None:
    cell = Custom(USES["linear"])
    with torch.no_grad():
        assert defer(cell, STEPS) is cell
    assert defer(cell, 1) is cell


def test_graphs_are_freed() -> None:
    """No cycle between the places and the products."""
    cell, inputs = Custom(USES["linear with bias"]), some_inputs(12)
    output = run(cell, inputs, True)
    held = [weakref.ref(o) for o in gc.get_objects() if type(o).__name__ == "_LinearBackward"]
    assert held
    del output
    assert all(reference() is None for reference in held)


@pytest.mark.parametrize("make", [lambda: GRU(SIZE, SIZE), lambda: LSTM(SIZE, SIZE, peepholes="current")])
def test_under_autocast_as_autograd_does(make: Callable[[], Cell]) -> None:
    torch.manual_seed(13)
    cell, inputs = make(), some_inputs(14).detach().float()
    found = []
    for deferred in (True, False):
        cell.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = run(cell, inputs, deferred)
        output.float().sum().backward()
        found.append([output.float(), *(p.grad.clone() for p in cell.parameters())])
    for a, b in zip(*found, strict=True):
        assert (a - b).norm() <= 0.02 * b.norm()


def test_inside_functional_transforms_the_plain_loop_runs() -> None:
    torch.manual_seed(15)
    cell, inputs = Custom(USES["linear"]), some_inputs(16).detach()
    parameters = {name: p.detach() for name, p in cell.named_parameters()}

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, x: Tensor) -> Tensor:
            return run(self.cell, x, True).square().sum()

    whole = Whole()
    values = {f"cell.{name}": p for name, p in parameters.items()}
    got = torch.func.grad(lambda v: torch.func.functional_call(whole, v, (inputs,)))(values)["cell.W"]
    cell.zero_grad()
    run(cell, inputs, False).square().sum().backward()
    torch.testing.assert_close(got, cell.W.grad)


def test_an_input_changed_in_place_is_noticed() -> None:
    weight = nn.Parameter(torch.randn(SIZE, SIZE))

    class Spoils(Cell):
        def __init__(self) -> None:
            super().__init__(SIZE, SIZE)
            self.weight = weight

        def step(self, projected, state, memory=None):
            seen = state[0] + projected
            made = F.linear(seen, self.weight)
            seen.zero_()
            return (made,)

    output = run(Spoils(), torch.randn(STEPS, BATCH, SIZE, requires_grad=True), True)
    with pytest.raises(RuntimeError, match="inplace operation"):
        output.sum().backward()


BIASES: dict[str, Callable[[], Tensor]] = {
    "one number": lambda: torch.randn(1, dtype=torch.float64),
    "one row": lambda: torch.randn(1, SIZE, dtype=torch.float64),
    "a row each": lambda: torch.randn(BATCH, SIZE, dtype=torch.float64),
    "every other number": lambda: torch.randn(2 * SIZE, dtype=torch.float64)[::2],
    "one number again and again": lambda: torch.randn(1, dtype=torch.float64).expand(SIZE),
}


@pytest.mark.parametrize("form", [F.linear, torch.addmm], ids=["linear", "addmm"])
@pytest.mark.parametrize("bias", BIASES)
def test_a_bias_of_any_form(bias: str, form: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel reads a vector of neighbours: one of another form once led it beyond its end."""
    torch.manual_seed(17)
    monkeypatch.setattr(deferred_module, "SMALL", SIZE * SIZE)  # so that a bias of two dimensions stays one
    order = (0, 1, 2) if form is F.linear else (2, 0, 1)
    cell = Custom(lambda c, x, h: form(*((h + x, c.W, c.own)[i] for i in order)))
    inputs = some_inputs(18)
    cell.own = nn.Parameter(BIASES[bias]())
    torch.testing.assert_close(run(cell, inputs, True), run(cell, inputs, False), rtol=1e-12, atol=1e-12)
    agree(gradients(cell, inputs, True), gradients(cell, inputs, False))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c, x, h: x + h[:, :-1] @ c.W,
        lambda c, x, h: x + F.linear(torch.cat((h, h), -1), c.W),
        lambda c, x, h: x + F.linear(h, c.W, c.b[:-1]),
    ],
)
def test_shapes_that_do_not_fit_are_pytorchs_to_refuse(wrong: Callable[..., Tensor]) -> None:
    with pytest.raises(RuntimeError, match=r"shapes|size"):
        run(Custom(wrong), some_inputs(19), True)
