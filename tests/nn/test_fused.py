from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled import kernels
from unrolled.errors import UserError
from unrolled.kernels.calls import FORMS
from unrolled.nn import fused, loop, unroll
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.substitute import substitute

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

FORM_NAMES = sorted(FORMS)
LENGTHS = {
    "full": None,
    "ragged": [4, 7, 1, 7, 2],
    "with empty": [0, 3, 7, 0, 5],
    "all short": [3, 3, 2, 1, 3],
    "all empty": [0, 0, 0, 0, 0],
}


def make(form: str, input_size: int, hidden_size: int, dtype: torch.dtype = torch.float64) -> Cell:
    kind, *options = form.split()
    if kind == "rnn":
        return RNN(input_size, hidden_size, nonlinearity=options[0], dtype=dtype)
    if kind == "gru":
        return GRU(input_size, hidden_size, reset=options[0], dtype=dtype)
    return LSTM(input_size, hidden_size, peepholes=options[0], output=options[1], dtype=dtype)


def make_state(cell: Cell, batch: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    count = 2 if isinstance(cell, LSTM) else 1
    return tuple(torch.randn(batch, cell.hidden_size, dtype=dtype) for _ in range(count))


def results(
    path: Any, cell: Cell, inputs: Tensor, state: tuple[Tensor, ...], **options: Any
) -> dict[str, Tensor]:
    """Outputs, final states and all gradients, from a loss that weighs every number differently."""
    for parameter in cell.parameters():
        parameter.grad = None
    inputs = inputs.detach().requires_grad_()
    state = tuple(part.detach().requires_grad_() for part in state)
    answer = path(cell, inputs, state, **options)
    assert answer is not None
    generator = torch.Generator().manual_seed(5)
    loss = torch.zeros((), dtype=inputs.dtype)
    found = {"output": answer.output}
    found |= {f"final {i}": part for i, part in enumerate(answer.state)}
    for part in list(found.values()):
        loss = (
            loss + (part * torch.randn(part.shape, generator=generator, dtype=torch.float64).to(part)).sum()
        )
    loss.backward()
    found |= {"grad inputs": inputs.grad} | {f"grad state {i}": part.grad for i, part in enumerate(state)}
    found |= {f"grad {name}": parameter.grad for name, parameter in cell.named_parameters()}
    return {name: value.detach() for name, value in found.items()}


@torch.no_grad()
def answers(cell: Cell, inputs: Tensor, state: tuple[Tensor, ...], **options: Any) -> dict[str, Tensor]:
    """What is left of :func:`results` without gradients: then the kernels keep nothing for a way back."""
    answer = fused.unroll(cell, inputs, state, **options)
    assert answer is not None
    return {"output": answer.output} | {f"final {i}": part for i, part in enumerate(answer.state)}


def compare(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        difference = (found[name].double() - value.double()).norm()
        assert difference <= tolerance * value.double().norm() + 1e-30, f"{name}: {difference / value.norm()}"


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("mask", [False, True], ids=["", "mask"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("form", FORM_NAMES)
def test_double_is_the_reference(form: str, lengths: str, reverse: bool, mask: bool, threads: int) -> None:
    torch.manual_seed(1)
    cell = make(form, 5, 21)
    inputs, state = torch.randn(7, 5, 5, dtype=torch.float64), make_state(cell, 5)
    given = LENGTHS[lengths]
    options = {
        "lengths": None if given is None else torch.tensor(given),
        "reverse": reverse,
        "memory": torch.bernoulli(torch.full((5, 21), 0.6, dtype=torch.float64)) / 0.6 if mask else None,
    }
    expected = results(loop.unroll, cell, inputs, state, **options)
    compare(results(fused.unroll, cell, inputs, state, **options), expected, 1e-12)
    found = answers(cell, inputs, state, **options)
    compare(found, {name: expected[name] for name in found}, 1e-12)


@pytest.mark.parametrize(
    "size", [(9, 1, 3, 1), (6, 13, 40, 33), (4, 80, 64, 200), (3, 2, 7, 129), (1, 4, 3, 16)]
)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("form", FORM_NAMES)
def test_single_is_the_reference_in_double(
    form: str, ragged: bool, size: tuple[int, ...], threads: int
) -> None:
    time, batch, input_size, hidden_size = size
    torch.manual_seed(2)
    cell = make(form, input_size, hidden_size, torch.float32)
    inputs, state = torch.randn(time, batch, input_size), make_state(cell, batch, torch.float32)
    lengths = torch.randint(0, time + 1, (batch,)) if ragged else None
    for reverse in (False, True):
        options = {"lengths": lengths, "reverse": reverse}
        found = results(fused.unroll, cell, inputs, state, **options)
        unkept = answers(cell, inputs, state, **options)
        expected = results(
            loop.unroll,
            cell.double(),
            inputs.double(),
            tuple(part.double() for part in state),
            **options,
        )
        cell.float()
        compare(found, expected, 1e-5)
        compare(unkept, {name: expected[name] for name in unkept}, 1e-5)


def apart_in_memory(tensor: Tensor) -> Tensor:
    """The same numbers, every other one of its memory."""
    return torch.stack((tensor, tensor.new_full((), torch.nan).expand_as(tensor)), -1)[..., 0]


@pytest.mark.parametrize("lengths", ["full", "with empty"])
@pytest.mark.parametrize("form", FORM_NAMES)
def test_inputs_that_are_not_contiguous_or_need_no_gradient(form: str, lengths: str) -> None:
    torch.manual_seed(6)
    cell = make(form, 4, 6)
    for module in cell.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(apart_in_memory(parameter.detach()))
    inputs = apart_in_memory(torch.randn(7, 5, 4, dtype=torch.float64))
    state = tuple(map(apart_in_memory, make_state(cell, 5)))
    mask = apart_in_memory(torch.bernoulli(torch.full((5, 6), 0.6, dtype=torch.float64)) / 0.6)
    weights = list(cell.parameters())
    assert not any(tensor.is_contiguous() for tensor in (inputs, *state, mask, *weights))
    given = LENGTHS[lengths]
    options = {"lengths": None if given is None else torch.tensor(given), "memory": mask}
    # What has a gradient: all, what is read alone, the state alone, some weights or one.
    for asked in ([inputs, *state, *weights], [inputs], list(state), weights, weights[1:2], weights[-1:]):
        for tensor in (inputs, *state, *weights):
            tensor.requires_grad_(any(tensor is each for each in asked))
        answers = []
        for path in (fused.unroll, loop.unroll):
            answer = path(cell, inputs, state, **options)
            assert answer is not None
            found = (answer.output, *answer.state)
            total = torch.zeros((), dtype=torch.float64)
            for part in (
                each.transpose(0, 1) for each in found
            ):  # so that their gradients are not contiguous
                total += (part * torch.linspace(-1, 1, part.numel(), dtype=part.dtype).view(part.shape)).sum()
            answers.append([*found, *torch.autograd.grad(total, asked)])
        for one, other in zip(*answers, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("form", FORM_NAMES)
def test_gradients_are_those_of_differences(form: str) -> None:
    torch.manual_seed(3)
    cell = make(form, 3, 4)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.rand_like(parameter) * 0.05)
    inputs = torch.randn(4, 3, 3, dtype=torch.float64, requires_grad=True)
    state = tuple(part.requires_grad_() for part in make_state(cell, 3))
    names = [name for name, _ in cell.named_parameters()]

    def run(inputs: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        parameters = dict(zip(names, rest[len(state) :], strict=True))
        answer = fused.unroll(
            substitute(cell, lambda name, _: parameters[name]),
            inputs,
            rest[: len(state)],
            lengths=torch.tensor([4, 2, 3]),
        )
        assert answer is not None
        return (answer.output, *answer.state)

    tensors = (inputs, *state, *cell.parameters())
    assert torch.autograd.gradcheck(run, tensors)
    if "relu" not in form:
        assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("form", ["rnn tanh", "gru after", "lstm current tanh"])
def test_the_operator_keeps_the_rules_of_operators(form: str) -> None:
    torch.manual_seed(4)
    cell = make(form, 3, 4)
    state = [*(part.requires_grad_() for part in make_state(cell, 2)), None][:2]
    weights = (cell.input_weight, cell.recurrent_weight, cell.bias)
    others = (getattr(cell, "recurrent_bias", None), getattr(cell, "peephole", None))
    inputs = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(
        torch.ops.unrolled.recurrence.default,
        (inputs, *state, *weights, *others, None, None, form, False, True),
        test_utils=(
            "test_schema",
            "test_autograd_registration",
            "test_faketensor",
            "test_aot_dispatch_static",
        ),
    )


def test_states_that_are_not_the_cells_reach_no_kernel() -> None:
    inputs, state = torch.randn(3, 2, 4), torch.zeros(2, 5)
    for cell, given in ((LSTM(4, 5), (state,)), (GRU(4, 5), (state, state))):
        with pytest.raises(UserError, match="this cell takes"):
            unroll(cell, inputs, given)


@pytest.mark.parametrize("form", FORM_NAMES)
def test_weights_of_other_sizes_reach_no_kernel(form: str) -> None:
    cell, inputs = make(form, 4, 5), torch.randn(3, 2, 4, dtype=torch.float64)
    state = make_state(cell, 2)
    for name, parameter in list(cell.named_parameters()):
        for other in (parameter[..., :1], parameter[:1], torch.cat((parameter, parameter))):
            if other.shape != parameter.shape:
                setattr(cell, name, torch.nn.Parameter(other.detach()))
                assert fused.unroll(cell, inputs, state) is None, (name, other.shape)
        setattr(cell, name, parameter)
    assert fused.unroll(cell, inputs, state) is not None


def test_what_is_no_number_stays_none() -> None:
    inputs = torch.randn(4, 2, 3)
    inputs[1, 0, 0] = torch.nan
    found = unroll(RNN(3, 20, nonlinearity="relu"), inputs).output
    assert found[1:, 0].isnan().all()
    assert found[:, 1].isfinite().all()


def test_threads_may_change_before_the_way_back() -> None:
    torch.manual_seed(3)
    cell = make("lstm current tanh", 5, 40)
    inputs, state = torch.randn(6, 33, 5, dtype=torch.float64), make_state(cell, 33)
    expected = results(loop.unroll, cell, inputs, state)
    before = torch.get_num_threads()
    try:
        for first, then in ((1, 2), (2, 1), (3, 2)):

            def changing(*args: Any, first: int = first, then: int = then, **options: Any) -> Any:
                torch.set_num_threads(first)
                answer = fused.unroll(*args, **options)
                torch.set_num_threads(then)
                return answer

            compare(results(changing, cell, inputs, state), expected, 1e-12)
    finally:
        torch.set_num_threads(before)


def test_callers_on_several_threads_do_not_meet() -> None:
    torch.manual_seed(4)
    given = []
    for form in FORM_NAMES:
        cell = make(form, 5, 21)
        given.append((cell, torch.randn(7, 5, 5, dtype=torch.float64), make_state(cell, 5)))
    expected = [results(loop.unroll, *each) for each in given]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda each: results(fused.unroll, *each), given)
            for one, other in zip(found, expected, strict=True):
                compare(one, other, 1e-12)


@pytest.mark.filterwarnings("ignore")  # of torch.compile, which looks into what finds the library
def test_within_torch_compile() -> None:
    torch.manual_seed(5)
    cell = make("gru before", 5, 21)
    inputs, state = torch.randn(7, 5, 5, dtype=torch.float64), make_state(cell, 5)
    compiled = torch.compile(unroll, backend="aot_eager")
    compare(
        results(compiled, cell, inputs, state),
        results(loop.unroll, cell, inputs, state),
        1e-12,
    )
