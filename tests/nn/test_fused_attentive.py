from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.library import opcheck

from unrolled import kernels
from unrolled.kernels.calls import FORMS
from unrolled.nn import fused_attentive, loop
from unrolled.nn.attention import Attention, AttentionMemory, make_attention
from unrolled.nn.attentive import Attentional, Attentive, Bahdanau, DecoderMemory, Luong
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.substitute import substitute

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

LENGTHS = {
    "full": None,
    "ragged": [4, 6, 1, 6, 2],
    "with empty": [0, 3, 6, 0, 5],
    "all empty": [0, 0, 0, 0, 0],
}


def inner(form: str, input_size: int, hidden: int, dtype: torch.dtype) -> Cell:
    kind, *options = form.split()
    if kind == "rnn":
        return RNN(input_size, hidden, nonlinearity=options[0], dtype=dtype)
    if kind == "gru":
        return GRU(input_size, hidden, reset=options[0], dtype=dtype)
    return LSTM(input_size, hidden, peepholes=options[0], output=options[1], dtype=dtype)


def make(
    kind: str, form: str, score: str, *, word: int, hidden: int, features: int, dtype: torch.dtype
) -> Attentive:
    attention = make_attention(score, hidden, features, hidden + 2 if score == "additive" else None)
    if kind == "bahdanau":
        return Bahdanau(inner(form, word + features, hidden, dtype), attention).to(dtype)
    return Luong(inner(form, word + hidden - 1, hidden, dtype), Attentional(attention, hidden - 1)).to(dtype)


def example(
    cell: Attentive,
    time: int,
    batch: int,
    source: int,
    *,
    mask: bool = False,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Any]:
    """What is given: words, a state, features of the source and their lengths (one of them 0), a mask."""
    attention: Attention = cell.attention  # type: ignore[assignment]
    lengths = torch.randint(1, source + 1, (batch,))
    if batch > 2:
        lengths[1] = 0
    draw = torch.full((batch, cell.hidden_size), 0.6, dtype=dtype)
    return {
        "words": torch.randn(time, batch, cell.input_size, dtype=dtype),
        "state": tuple(
            torch.randn_like(part) for part in cell.initial_state(batch, like=torch.zeros((), dtype=dtype))
        ),
        "features": torch.randn(source, batch, attention.feature_size, dtype=dtype),
        "source_lengths": lengths,
        "mask": torch.bernoulli(draw) / 0.6 if mask else None,
    }


def results(path: Any, cell: Attentive, given: dict[str, Any], lengths: Tensor | None) -> dict[str, Tensor]:
    """Outputs, weights, final states and all gradients, from a loss that weighs every number differently."""
    for parameter in cell.parameters():
        parameter.grad = None
    words, features = (given[name].detach().requires_grad_() for name in ("words", "features"))
    state = tuple(part.detach().requires_grad_() for part in given["state"])
    memory = DecoderMemory(cell.attention.remember(features, given["source_lengths"]), given["mask"])  # type: ignore[operator, union-attr]
    answer = path(cell, words, state, lengths=lengths, memory=memory, record=("attention",))
    assert answer is not None
    found = {"output": answer.output, "attention": answer.record["attention"]}
    found |= {f"final {i}": part for i, part in enumerate(answer.state)}
    generator = torch.Generator().manual_seed(5)
    loss = sum(
        (part * torch.randn(part.shape, generator=generator, dtype=torch.float64).to(part)).sum()
        for part in found.values()
    )
    loss.backward()  # type: ignore[union-attr]
    leaves = {"words": words, "features": features, **dict(cell.named_parameters())}
    leaves |= {f"state {i}": part for i, part in enumerate(state)}
    # Of what no step reads, such as Bahdanau's first context, the loop has no gradient, the kernels zeros.
    found |= {
        f"grad {name}": torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        for name, leaf in leaves.items()
    }
    return {name: value.detach() for name, value in found.items()}


def compare(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        difference = (found[name].double() - value.double()).norm()
        assert difference <= tolerance * value.double().norm() + 1e-30, f"{name}: {difference / value.norm()}"


@pytest.mark.parametrize(
    ("form", "score", "lengths", "mask"),
    [
        *((form, "additive", "with empty", False) for form in sorted(FORMS)),
        *(
            ("gru before", score, lengths, False)
            for score in ("general", "dot")
            for lengths in ("full", "ragged")
        ),
        *(("gru before", "additive", lengths, True) for lengths in LENGTHS),
    ],
)
@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_double_is_the_reference(kind: str, form: str, score: str, lengths: str, mask: bool) -> None:
    torch.manual_seed(1)
    features = 21 if score == "dot" else 10
    cell = make(kind, form, score, word=5, hidden=21, features=features, dtype=torch.float64)
    chosen = LENGTHS[lengths]
    options = (cell, example(cell, 6, 5, 7, mask=mask), None if chosen is None else torch.tensor(chosen))
    compare(results(fused_attentive.unroll, *options), results(loop.unroll, *options), 1e-11)


@pytest.mark.parametrize("size", [(9, 1, 3, 16), (4, 3, 70, 33), (3, 7, 9, 130), (4, 80, 5, 33)])
@pytest.mark.parametrize("form", ["gru before", "gru after", "lstm current tanh"])
@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_single_is_the_reference_in_double(kind: str, form: str, size: tuple[int, ...]) -> None:
    time, batch, source, hidden = size
    torch.manual_seed(2)
    cell = make(kind, form, "additive", word=8, hidden=hidden, features=24, dtype=torch.float32)
    given = example(cell, time, batch, source, dtype=torch.float32)
    lengths = torch.randint(0, time + 1, (batch,))
    found = results(fused_attentive.unroll, cell, given, lengths)
    exact = {
        name: tuple(part.double() for part in value)
        if isinstance(value, tuple)
        else value.double()
        if name in ("words", "features")
        else value
        for name, value in given.items()
    }
    compare(found, results(loop.unroll, cell.double(), exact, lengths), 1e-5)


@pytest.mark.parametrize(
    ("kind", "form", "score"),
    [("bahdanau", "gru after", "additive"), ("luong", "lstm current tanh", "general")],
)
def test_gradients_are_those_of_differences(kind: str, form: str, score: str) -> None:
    torch.manual_seed(3)
    cell = make(kind, form, score, word=1, hidden=2, features=2, dtype=torch.float64)
    attention: Attention = cell.attention  # type: ignore[assignment]
    given = example(cell, 2, 2, 2)
    memory = attention.remember(given["features"], given["source_lengths"])
    names = [name for name, _ in cell.named_parameters() if not name.endswith("key_weight")]
    parameters = dict(cell.named_parameters())
    state = given["state"]

    def run(words: Tensor, keys: Tensor, values: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        others = dict(zip(names, rest[len(state) :], strict=True))
        answer = fused_attentive.unroll(
            substitute(cell, lambda name, parameter: others.get(name, parameter)),
            words,
            rest[: len(state)],
            lengths=torch.tensor([2, 1]),
            memory=DecoderMemory(AttentionMemory(keys, values, memory.lengths)),
            record=("attention",),
        )
        assert answer is not None
        return (answer.output, *answer.state, answer.record["attention"])

    tensors = (given["words"], memory.keys, memory.values, *state, *(parameters[name] for name in names))
    tensors = tuple(tensor.detach().requires_grad_() for tensor in tensors)
    assert torch.autograd.gradcheck(run, tensors)
    assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_inputs_that_are_not_contiguous_or_need_no_gradient(kind: str) -> None:
    torch.manual_seed(4)
    cell = make(kind, "gru before", "additive", word=4, hidden=6, features=8, dtype=torch.float64)
    attention: Attention = cell.attention  # type: ignore[assignment]
    given = example(cell, 5, 3, 4)
    memory = attention.remember(given["features"], given["source_lengths"])
    for parameter in cell.parameters():
        parameter.requires_grad_(False)
    cell.cell.recurrent_weight.requires_grad_(True)  # type: ignore[union-attr]
    odd = DecoderMemory(
        AttentionMemory(
            memory.keys.detach().transpose(1, 2).contiguous().transpose(1, 2),
            memory.values.detach().flip(0).flip(0).transpose(0, 2).contiguous().transpose(0, 2),
            memory.lengths,
        )
    )
    words = given["words"].transpose(0, 2).contiguous().transpose(0, 2)
    state = tuple(part.t().contiguous().t() for part in given["state"])
    gradients = []
    for path in (fused_attentive.unroll, loop.unroll):
        answer = path(cell, words, state, memory=odd)
        assert answer is not None
        gradients.append(torch.autograd.grad(answer.output.square().sum(), cell.cell.recurrent_weight)[0])  # type: ignore[arg-type]
    torch.testing.assert_close(*gradients)


def test_leaves_what_it_does_not_know_to_others() -> None:
    cell = make("luong", "gru before", "general", word=4, hidden=6, features=8, dtype=torch.float64)
    attention: Attention = cell.attention  # type: ignore[assignment]
    given = example(cell, 5, 3, 4)
    memory = attention.remember(given["features"], given["source_lengths"])
    options: Any = {"memory": DecoderMemory(memory)}
    assert fused_attentive.unroll(cell, given["words"], given["state"], **options) is not None
    assert fused_attentive.unroll(cell, given["words"], given["state"], **options, reverse=True) is None
    assert fused_attentive.unroll(cell, given["words"], given["state"], **options, record=("update",)) is None
    seated = DecoderMemory(memory.select(torch.tensor([0, 0, 1])))
    assert fused_attentive.unroll(cell, given["words"], given["state"], memory=seated) is None

    class Own(Luong):
        pass

    assert (
        fused_attentive.unroll(Own(cell.cell, cell.attentional), given["words"], given["state"], **options)
        is None
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
def test_operators_are_well_behaved(kind: str, ragged: bool) -> None:
    cell = make(kind, "lstm current tanh", "additive", word=4, hidden=6, features=8, dtype=torch.float64)
    attention: Any = cell.attention
    given = example(cell, 5, 3, 4)
    memory = attention.remember(given["features"], given["source_lengths"])
    core: Any = cell.cell
    arguments = (
        given["words"].requires_grad_(),
        *given["state"],
        core.input_weight,
        core.recurrent_weight,
        core.bias,
        None,
        core.peephole,
        None,
        torch.tensor([5, 0, 2]) if ragged else None,
        memory.keys.detach(),
        memory.values.detach(),
        memory.lengths,
        attention.query_weight,
        attention.energy_weight,
        cell.attentional.weight if isinstance(cell, Luong) else None,
        "lstm current tanh",
    )
    opcheck(
        torch.ops.unrolled.attentive.default,
        arguments,
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )
    *tensors, form = (part.detach() if isinstance(part, Tensor) else part for part in arguments)
    made = torch.ops.unrolled.attentive.default(*tensors, form)
    without_biases = tensors[:6] + tensors[8:]
    grads: list[Any] = [torch.randn_like(part) for part in made[:6]]
    for given_grads in (grads, [*grads[:2], *[None] * 4]):
        opcheck(
            torch.ops.unrolled.attentive_backward.default,
            (*given_grads, *without_biases, *made[:3], *made[6:], form),
            test_utils=("test_schema", "test_faketensor"),
        )


@pytest.mark.parametrize("lengths", [None, [5, 2, 3]])
@pytest.mark.parametrize("form", ["lstm none tanh", "gru before"])
@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_gates_are_those_that_the_loop_records(kind: str, form: str, lengths: Any) -> None:
    cell = make(kind, form, "general", word=4, hidden=6, features=8, dtype=torch.float64)
    given = example(cell, 5, 3, 4)
    memory = cell.attention.remember(given["features"], given["source_lengths"])  # type: ignore[operator, union-attr]
    options: Any = {
        "lengths": None if lengths is None else torch.tensor(lengths),
        "memory": DecoderMemory(memory),
    }
    for record in (["*"], ["update", "hidden"], ["cell.candidate"]):
        with torch.no_grad():
            answer = fused_attentive.unroll(cell, given["words"], given["state"], **options, record=record)
            expected = loop.unroll(cell, given["words"], given["state"], **options, record=record)
        assert answer is not None
        assert set(answer.record) == set(expected.record)
        for name, value in expected.record.items():
            torch.testing.assert_close(answer.record[name], value)
    # With a graph they are the loop's, and so is what is not known.
    assert fused_attentive.unroll(cell, given["words"], given["state"], **options, record=["update"]) is None
    with torch.no_grad():
        assert fused_attentive.unroll(cell, given["words"], given["state"], **options, record=["x"]) is None


@pytest.mark.parametrize("wrong", ["keys", "values", "lengths", "batch"])
def test_a_memory_that_does_not_fit_reaches_no_kernel(wrong: str) -> None:
    cell = make("bahdanau", "gru before", "dot", word=5, hidden=8, features=8, dtype=torch.float64)
    attention: Attention = cell.attention  # type: ignore[assignment]
    memory = attention.remember(torch.randn(6, 3, 8, dtype=torch.float64), torch.tensor([6, 5, 4]))
    odd = {
        "keys": AttentionMemory(memory.keys[:, :2], memory.values, memory.lengths),
        "values": attention.remember(torch.randn(6, 3, 12, dtype=torch.float64), memory.lengths),
        "lengths": AttentionMemory(memory.keys, memory.values, memory.lengths[:2]),
        "batch": AttentionMemory(memory.keys[:2], memory.values[:2], memory.lengths[:2]),
    }[wrong]
    words = torch.randn(4, 3, 5, dtype=torch.float64)
    state = cell.initial_state(3, like=words)
    assert fused_attentive.unroll(cell, words, state, memory=DecoderMemory(memory)) is not None
    assert fused_attentive.unroll(cell, words, state, memory=DecoderMemory(odd)) is None
    with pytest.raises(RuntimeError):
        loop.unroll(cell, words, state, memory=DecoderMemory(odd))


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_weights_of_other_sizes_reach_no_kernel(kind: str) -> None:
    cell = make(kind, "gru after", "additive", word=5, hidden=7, features=6, dtype=torch.float64)
    given = example(cell, 3, 2, 4)
    memory = DecoderMemory(cell.attention.remember(given["features"], given["source_lengths"]))  # type: ignore[operator, union-attr]
    for name, parameter in list(cell.named_parameters()):
        path, _, last = name.rpartition(".")
        if last == "key_weight":  # the keys are made, and looked at, before
            continue
        for other in (parameter[..., :-1], parameter[:-1], torch.cat((parameter, parameter))):
            setattr(cell.get_submodule(path), last, torch.nn.Parameter(other.detach()))
            assert fused_attentive.unroll(cell, given["words"], given["state"], memory=memory) is None, name
        setattr(cell.get_submodule(path), last, parameter)
    assert fused_attentive.unroll(cell, given["words"], given["state"], memory=memory) is not None
