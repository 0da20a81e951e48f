"""A traced step computes what the loop does, gradients too; what cannot be traced is run as it is written."""

from __future__ import annotations

import gc
import itertools
import random
import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unrolled import kernels
from unrolled.nn import loop
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.substitute import substitute
from unrolled.nn.traced import path
from unrolled.nn.traced.replay import replay
from unrolled.nn.traced.tracer import trace
from unrolled.nn.unroll import unroll

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native kernels")

TIME, BATCH, SIZE = 5, 7, 6


class Custom(Cell):
    """A cell whose new states are a function of the cell, its input and its states."""

    def __init__(
        self, function: Callable[..., Any], states: int = 1, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(SIZE, SIZE)
        self.function, self.states = function, states
        self.W = nn.Parameter(torch.randn(SIZE, SIZE, dtype=dtype) / 2)
        self.V = nn.Parameter(torch.randn(2 * SIZE, SIZE, dtype=dtype) / 2)
        self.b = nn.Parameter(torch.randn(SIZE, dtype=dtype))
        self.s = nn.Parameter(torch.rand(1, dtype=dtype))
        self.inner = nn.Linear(2 * SIZE, SIZE, dtype=dtype)
        self.norm = nn.LayerNorm(SIZE, dtype=dtype)
        self.count, self.seen = 0, []
        self.tally, self.sorted = Counter(), defaultdict(list)
        self.array, self.nested = np.zeros(2), {"a": ([0],)}
        self.chance = np.random.default_rng(3)

    def remembers(self) -> tuple[Any, ...]:
        """What a step can change."""
        return self.count, self.seen, self.tally, self.sorted, self.array.tolist(), self.nested

    def initial_state(self, batch: int, *, like: Tensor):
        return tuple(like.new_zeros(batch, self.hidden_size) for _ in range(self.states))

    def step(self, projected, state, memory=None):
        made = (
            self.function(self, projected, *state)
            if memory is None
            else self.function(self, projected, *state, memory)
        )
        return made if isinstance(made, tuple) else (made,)


def _gru_like(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    gate, candidate = F.linear(torch.cat((x, h), -1), torch.cat((c.V, c.V.flip(0)), 1)).chunk(2, -1)
    gate = torch.sigmoid(gate)
    return torch.lerp(h, torch.tanh(candidate), gate)


ONE_STATE: dict[str, Callable[..., Any]] = {
    "a product": lambda c, x, h: torch.tanh(x + h @ c.W),
    "a module on the joined": lambda c, x, h: torch.tanh(c.inner(torch.cat((h, x), -1))),
    "joined of three": lambda c, x, h: torch.tanh(torch.cat((h, x, h * 2), -1)[:, 3:15] @ c.V),
    "cut": lambda c, x, h: torch.cat((torch.tanh(x[:, 2:] + h[:, :4]), h[:, 4:] * c.b[:2]), -1),
    "chunks of a product": _gru_like,
    "split in unequal parts": lambda c, x, h: torch.cat(torch.split(x * h, [1, 3, 2], -1)[::-1], -1),
    "part of it unused": lambda c, x, h: torch.tanh(x + (h @ c.W)[:, :3] @ c.W[:3]),
    "element-wise": lambda c, x, h: (1 - x) * torch.exp(-h.abs()) + 2 / (1 + torch.sigmoid(x)) - h / 3,
    "division": lambda c, x, h: x / (h * h + 1.5) - (x - h) / c.b,
    "greater and lesser": lambda c, x, h: torch.minimum(torch.maximum(x, h), c.b),
    "rectified": lambda c, x, h: F.relu(x + 0.5 * h) - F.silu(h),
    "scaled sums": lambda c, x, h: (
        torch.sub(x, h, alpha=0.3) + torch.add(h, 1, alpha=2) / 4 + torch.rsub(h, x) / 5
    ),
    "a vector and a number that are learnt": lambda c, x, h: torch.tanh(c.b * h + c.s * x + c.b) * c.s,
    "addcmul, lerp": lambda c, x, h: torch.addcmul(x, h, c.b, value=0.4) + torch.lerp(x, h, 0.3),
    "squares": lambda c, x, h: torch.tanh(h**2 + x.square()),
    "a norm": lambda c, x, h: c.norm(x + h @ c.W),
    "a norm without weights": lambda c, x, h: F.layer_norm(x + h, (SIZE,)),
    "softmax": lambda c, x, h: F.softmax(x + h, -1) * 3 + h / 2,
    "the matrix of a matrix": lambda c, x, h: torch.tanh(x + F.linear(h, c.W @ c.W.t() / 3)),
    "twice the same": lambda c, x, h: torch.tanh(x + F.linear(F.linear(h, c.W), c.W) * (h @ c.W)),
    "with itself": lambda c, x, h: torch.tanh(x + h * h + h / (h + 3)),
    "nothing of the state": lambda c, x, h: torch.tanh(x @ c.W),
    "nothing but the state": lambda c, x, h: h * 0.9,
    "unchanged": lambda c, x, h: h,
    "a constant": lambda c, x, h: torch.tanh(
        x + torch.zeros_like(h) + torch.full((SIZE,), 0.2, dtype=x.dtype)
    ),
}
TWO_STATES: dict[str, Callable[..., Any]] = {
    "changing places": lambda c, x, h, m: (torch.tanh(m + x), h),
    "swapped": lambda c, x, h, m: (m, h),
    "one for both": lambda c, x, h, m: (torch.tanh(h + x @ c.W),) * 2,
    "a memory": lambda c, x, h, m: ((m * 0.5 + x).tanh(), torch.sigmoid(h + x) * m + F.linear(h, c.W, c.b)),
    "one of them unread": lambda c, x, h, m: (torch.tanh(h + x), h + c.b),
}
STEPS = [(name, f, 1) for name, f in ONE_STATE.items()] + [(name, f, 2) for name, f in TWO_STATES.items()]


def _results(
    run: Any, cell: Cell, inputs: Tensor, state: Any, **options: Any
) -> tuple[list[Tensor], list[Any]]:
    found = run(cell, inputs, state, **options)
    assert found is not None, path.why_not(cell)
    results = [found.output, *found.state]
    asked = [tensor for tensor in (inputs, *state, *cell.parameters()) if tensor.requires_grad]
    total = sum(
        (result * torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result)).sum()
        for result in results
    )
    return results, list(torch.autograd.grad(total, asked, allow_unused=True))


def _same(found: list[Any], expected: list[Any]) -> None:
    for a, b in zip(found, expected, strict=True):
        # What does not matter has no gradient, or one of zeros.
        torch.testing.assert_close(*(torch.zeros(()) if t is None or not t.any() else t for t in (a, b)))


@pytest.mark.parametrize(("function", "states"), [s[1:] for s in STEPS], ids=[s[0] for s in STEPS])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 0, 3, 1, 4, 5, 2]])
def test_a_traced_step_is_the_loop(function: Any, states: int, reverse: bool, lengths: Any) -> None:
    torch.manual_seed(1)
    cell = Custom(function, states)
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(BATCH, SIZE, dtype=torch.float64, requires_grad=True) for _ in range(states))
    options = {"lengths": None if lengths is None else torch.tensor(lengths), "reverse": reverse}
    found = _results(path.unroll, cell, inputs, state, **options)
    expected = _results(loop.unroll, cell, inputs, state, **options)
    _same(found[0] + found[1], expected[0] + expected[1])


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("batch", [1, 2, 3, 9])
def test_any_threads_any_batch(threads: int, batch: int) -> None:
    torch.manual_seed(2)
    cell = Custom(_gru_like)
    inputs = torch.randn(TIME, batch, SIZE, dtype=torch.float64, requires_grad=True)
    lengths = torch.randint(0, TIME + 1, (batch,))
    state = cell.initial_state(batch, like=inputs)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = _results(path.unroll, cell, inputs, state, lengths=lengths)
    finally:
        torch.set_num_threads(before)
    expected = _results(loop.unroll, cell, inputs, state, lengths=lengths)
    _same(found[0] + found[1], expected[0] + expected[1])


@pytest.mark.parametrize("size", [1, 17, 40])
def test_single_precision_and_odd_sizes(size: int) -> None:
    class Gate(Cell):
        def __init__(self) -> None:
            super().__init__(3, size)
            self.gates = nn.Linear(size + 3, 2 * size)

        def step(self, projected, state, memory=None):
            update, candidate = self.gates(torch.cat((state[0], projected), -1)).chunk(2, -1)
            return (torch.lerp(state[0], candidate.tanh(), update.sigmoid()),)

    torch.manual_seed(3)
    cell, inputs = Gate(), torch.randn(TIME, BATCH, 3, requires_grad=True)
    state = cell.initial_state(BATCH, like=inputs)
    found = _results(path.unroll, cell, inputs, state)
    exact = inputs.detach().double().requires_grad_()
    expected = _results(loop.unroll, cell.double(), exact, tuple(part.double() for part in state))
    for a, b in zip(found[0] + found[1], expected[0] + expected[1], strict=True):
        assert (a.double() - b).norm() <= 1e-5 * b.norm()


@pytest.mark.parametrize(
    "cell",
    [RNN(SIZE, SIZE), GRU(SIZE, SIZE, reset="before"), LSTM(SIZE, SIZE, peepholes="current")],
    ids=lambda c: type(c).__name__,
)
def test_the_built_in_cells_can_be_traced_too(cell: Cell) -> None:
    cell = cell.double()
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(BATCH, like=inputs)
    found, expected = _results(path.unroll, cell, inputs, state), _results(loop.unroll, cell, inputs, state)
    _same(found[0] + found[1], expected[0] + expected[1])


def test_what_is_constant_over_time() -> None:
    cell = Custom(lambda c, x, h, m: torch.tanh(x + m * h + (m @ c.W)))
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    memory = torch.rand(BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 0, 3, 1, 4, 5, 2])
    answers = []
    for run in (path.unroll, loop.unroll):
        found = run(cell, inputs, cell.initial_state(BATCH, like=inputs), memory=memory, lengths=lengths)
        assert found is not None
        answers.append(
            [found.output, *torch.autograd.grad(found.output.square().sum(), (memory, inputs, cell.W))]
        )
    _same(*answers)


def test_gradients_of_gradients() -> None:
    torch.manual_seed(4)
    cell = Custom(ONE_STATE["a module on the joined"])
    state = cell.initial_state(2, like=torch.zeros((), dtype=torch.float64))

    def run(inputs: Tensor, weight: Tensor) -> Tensor:
        with_weight = substitute(cell, lambda name, own: weight if name == "inner.weight" else own)
        found = path.unroll(with_weight, inputs, state, lengths=torch.tensor([3, 2]))
        assert found is not None
        return found.output

    inputs = torch.randn(3, 2, SIZE, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(SIZE, 2 * SIZE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (inputs, weight))
    assert torch.autograd.gradgradcheck(run, (inputs, weight))


def test_a_replay_is_the_run() -> None:
    torch.manual_seed(5)
    cell = Custom(TWO_STATES["a memory"], 2)
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    state = tuple(torch.randn(BATCH, SIZE, dtype=torch.float64) for _ in range(2))
    found = trace(cell, [inputs[0]], lambda parts: parts[0], state, None)
    tensors = (inputs, *state, *found.evaluate(found.used()))
    expected = loop.unroll(cell, inputs, state)
    _same(replay(found, None, False, tensors), [expected.output, *expected.state])


def test_without_gradients_nothing_is_kept() -> None:
    cell = Custom(_gru_like)
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    with torch.no_grad():
        found = path.unroll(cell, inputs, cell.initial_state(BATCH, like=inputs))
        assert found is not None
        assert not found.output.requires_grad
        _same([found.output], [loop.unroll(cell, inputs, cell.initial_state(BATCH, like=inputs)).output])


@pytest.mark.parametrize(
    "name", ["a product", "a module on the joined", "a norm", "chunks of a product", "the matrix of a matrix"]
)
def test_in_inference_mode_too(name: str) -> None:
    torch.manual_seed(6)
    cell = Custom(ONE_STATE[name])
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    with torch.inference_mode():
        found = path.unroll(cell, inputs, cell.initial_state(BATCH, like=inputs))
        assert found is not None, path.why_not(cell)
        _same([found.output], [loop.unroll(cell, inputs, cell.initial_state(BATCH, like=inputs)).output])


@pytest.mark.parametrize("name", ["a product", "a parameter without its gradient"])
def test_padding_may_be_anything(name: str) -> None:
    torch.manual_seed(7)
    cell = Custom({**ONE_STATE, **REFUSED}[name])
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    lengths = torch.tensor([5, 0, 3, 1, 4, 5, 2])
    past = torch.arange(TIME)[:, None] >= lengths
    gradients = []
    for value in (0.0, torch.nan):
        inputs[past] = value
        torch.manual_seed(8)
        loss = unroll(cell, inputs, lengths=lengths).output.sum()
        gradients.append(torch.autograd.grad(loss, (cell.W, cell.V), allow_unused=True)[0])
    _same(*([each] for each in gradients))


def _counting(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    c.count += 1
    return h * 0.5 + x * c.count


def _collecting(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    c.seen.append(len(c.seen))
    return h + x


def _in_place(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    return (h + x).mul_(2)


def _without_gradient(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    with torch.no_grad():
        gate = torch.sigmoid(h)
    return gate * x


class _Rounded(torch.autograd.Function):
    """Straight through: a gradient that no formula of the step tells."""

    @staticmethod
    def forward(ctx, x):
        return x.abs()

    @staticmethod
    def backward(ctx, grad):
        return grad


def _hooked(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    made = x + h @ c.W
    if made.requires_grad:
        made.register_hook(lambda gradient: gradient.clamp(-0.01, 0.01))
    return made


def _by_chance(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    return x + h * 0.5 if random.random() < 0.5 else x - h * 0.5


def _tallying(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    c.tally["steps"] += 1
    return h * 0.5 + x * c.tally["steps"]


def _sorting(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    c.sorted[len(c.sorted) % 2].append(len(c.sorted))
    return h + x


def _adding(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    c.array += 1
    return h * 0.5 + x * float(c.array[0])


def _deep(c: Custom, x: Tensor, h: Tensor) -> Tensor:
    c.nested["a"][0][0] += 1
    return h * 0.5 + x * c.nested["a"][0][0]


REFUSED: dict[str, Callable[..., Any]] = {
    "a number that is read": lambda c, x, h: x + h * float(h.detach().mean()),
    "a branch": lambda c, x, h: x + h if bool((h > 0).all()) else x - h,
    "chance": lambda c, x, h: x + h * torch.rand_like(h).round() * 0 + h,
    "dropout": lambda c, x, h: F.dropout(h, 0.5, training=True) + x,
    "a change in place": _in_place,
    "a cell that counts": _counting,
    "a cell that collects": _collecting,
    "a detached state": lambda c, x, h: x + h.detach(),
    "a part without gradient": _without_gradient,
    "a gradient of its own": lambda c, x, h: _Rounded.apply(x + h),
    "rows that mix": lambda c, x, h: x + h.flip(0),
    "sums over features": lambda c, x, h: x + h.sum(-1, keepdim=True),
    "a product of states": lambda c, x, h: x + h @ (h.t() @ h),
    "a parameter without its gradient": lambda c, x, h: x + h @ (c.W / c.W.detach().norm()),
    "a number of a parameter": lambda c, x, h: x + h * float(c.s.detach()),
    "a branch on a parameter": lambda c, x, h: x + h if bool((c.W > 9).any()) else x - h,
    "a hook on a gradient": _hooked,
    "a choice by Python's chance": _by_chance,
    "another function": lambda c, x, h: torch.erf(x + h),
    "a choice by NumPy's chance": lambda c, x, h: x + h * np.random.random(),  # noqa: NPY002
    "a choice by chance of its own": lambda c, x, h: x + h * float(c.chance.random()),
    "numbers as a list": lambda c, x, h: x + h * h.tolist()[0][0],
    "a parameter as a list": lambda c, x, h: x + h * c.s.tolist()[0],
    "a state's data": lambda c, x, h: x + h.data,
    "a cell with a tally": _tallying,
    "a cell that sorts": _sorting,
    "a cell that adds to an array": _adding,
    "a cell that changes deep within": _deep,
}


@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_traced_is_run_as_it_is_written(function: Any) -> None:
    torch.manual_seed(6)
    cells = [Custom(function) for _ in range(2)]
    cells[1].load_state_dict(cells[0].state_dict())
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    state = (torch.randn(BATCH, SIZE, dtype=torch.float64, requires_grad=True),)
    assert path.unroll(cells[0], inputs, state) is None
    assert path.why_not(cells[0])
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    found = _results(unroll, cells[0], inputs, state)
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    expected = _results(loop.unroll, cells[1], inputs, state)
    _same(found[0] + found[1], expected[0] + expected[1])
    assert cells[0].remembers() == cells[1].remembers()


def test_a_mistake_in_a_step_is_the_users_to_see() -> None:
    cell = Custom(lambda c, x, h: x + h @ c.V)
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="shapes"):
        unroll(cell, inputs)


def test_an_input_changed_after_the_run_is_noticed() -> None:
    cell = Custom(ONE_STATE["a product"])
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64, requires_grad=True)
    found = path.unroll(cell, inputs, cell.initial_state(BATCH, like=inputs))
    assert found is not None
    with torch.no_grad():
        cell.W.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        found.output.sum().backward()


def test_a_refusal_draws_nothing() -> None:
    class Drawing(Custom):
        def project(self, inputs):
            return F.dropout(inputs, 0.5, self.training)

    cells = [Drawing(REFUSED["another function"]) for _ in range(2)]
    cells[1].load_state_dict(cells[0].state_dict())
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    found = []
    for cell, how in zip(cells, (unroll, loop.unroll), strict=True):
        torch.manual_seed(8)
        found.append(how(cell, inputs, cell.initial_state(BATCH, like=inputs)).output)
    assert torch.equal(*found)


@pytest.mark.parametrize(("forward", "backward"), [(2, 1), (1, 2)])
def test_threads_may_change_between_the_two_ways(forward: int, backward: int) -> None:
    cell = Custom(ONE_STATE["a product"])
    inputs = torch.randn(TIME, 4, SIZE, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 3, 5, 2])
    state = cell.initial_state(4, like=inputs)
    before, gradients = torch.get_num_threads(), []
    try:
        for how in (path.unroll, loop.unroll):
            torch.set_num_threads(forward)
            output = how(cell, inputs, state, lengths=lengths).output
            torch.set_num_threads(backward)
            gradients.append(
                torch.autograd.grad(output.square().sum(), (inputs, *cell.parameters()), allow_unused=True)
            )
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_what_a_run_kept_goes_with_its_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    class Seen(path.Layout):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            kept.append(weakref.ref(self))

    monkeypatch.setattr(path, "Layout", Seen)
    cell = Custom(ONE_STATE["a product"])
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            unroll(cell, inputs).output.sum().backward()
        assert [each() for each in kept] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "function",
    [
        lambda c, x, h: x + h * float(h.numpy()[0, 0]),
        lambda c, x, h: x + torch.from_numpy(np.tanh(np.asarray(h))),
        lambda c, x, h: x + h * float(np.from_dlpack(h)[0, 0]),
        lambda c, x, h: x + h * (h.untyped_storage()[7] / 256),
    ],
    ids=["an array", "NumPy's function", "dlpack", "memory"],
)
@torch.no_grad()
def test_numbers_that_leave_by_another_door_are_seen(function: Any) -> None:
    torch.manual_seed(9)
    cell = Custom(function)
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    state = (torch.randn(BATCH, SIZE, dtype=torch.float64),)
    assert path.unroll(cell, inputs, state) is None
    torch.testing.assert_close(unroll(cell, inputs, state).output, loop.unroll(cell, inputs, state).output)


@pytest.mark.parametrize(
    "attribute",
    [itertools.count, lambda: [iter([1, 2])], threading.Lock, lambda: [nn.Linear(SIZE, SIZE)]],
    ids=["a counter", "an iterator within", "a lock", "a module that is no part"],
)
def test_a_cell_with_what_cannot_be_compared_is_run_as_it_is_written(attribute: Any) -> None:
    cell = Custom(ONE_STATE["a product"])
    cell.own = attribute()
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    assert path.unroll(cell, inputs, cell.initial_state(BATCH, like=inputs)) is None
    assert "an attribute" in str(path.why_not(cell))


def test_a_step_that_counts_by_an_iterator_counts_on() -> None:
    cell = Custom(lambda c, x, h: h * 0.5 + x * next(c.numbers))
    cell.numbers = itertools.count(1)
    inputs = torch.randn(TIME, BATCH, SIZE, dtype=torch.float64)
    unroll(cell, inputs)
    assert next(cell.numbers) == TIME + 1


def test_contiguous_or_not_and_with_or_without_gradient() -> None:
    torch.manual_seed(10)
    cell = Custom(_gru_like)
    cell.W = nn.Parameter(torch.randn(SIZE, SIZE, dtype=torch.float64).t())
    cell.V = nn.Parameter(torch.randn(SIZE, 2 * SIZE, dtype=torch.float64).t())
    cell.b = nn.Parameter(torch.randn(2 * SIZE, dtype=torch.float64)[::2])
    cell.function = lambda c, x, h: torch.addmm(c.b, _gru_like(c, x, h), c.W) + c.b * h
    inputs = torch.randn(SIZE, BATCH, TIME, dtype=torch.float64).transpose(0, 2)
    state = torch.randn(SIZE, BATCH, dtype=torch.float64).t()
    assert not any(t.is_contiguous() for t in (inputs, state, cell.W, cell.V, cell.b))
    variables = [inputs, state, cell.W, cell.V, cell.b]
    for asked in ([0, 1, 2, 3, 4], [0], [1], [2, 3, 4], [4]):
        for i, each in enumerate(variables):
            each.requires_grad_(i in asked)
        found, expected = (_results(how, cell, inputs, (state,)) for how in (path.unroll, loop.unroll))
        _same(found[0] + found[1], expected[0] + expected[1])
