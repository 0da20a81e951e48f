"""Weights to torch.nn and back, against what both compute."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn import GRU, LSTM, RNN, Recurrent, from_torch, to_torch
from unrolled.nn.cells import GRU as GRUCell
from unrolled.nn.cells import Cell

F64 = torch.float64
KINDS = [
    (nn.RNN, RNN, {}),
    (nn.RNN, RNN, {"nonlinearity": "relu"}),
    (nn.GRU, GRU, {"reset": "after"}),
    (nn.LSTM, LSTM, {}),
]
SHAPES = [
    {"num_layers": layers, "bidirectional": both, "bias": bias}
    for layers in (1, 3)
    for both in (False, True)
    for bias in (False, True)
]


def same(ours: Recurrent, theirs: nn.Module) -> None:
    inputs = torch.randn(6, 2, 4, dtype=F64, generator=torch.Generator().manual_seed(0))
    output, state = ours(inputs)
    wanted, last = theirs(inputs)
    torch.testing.assert_close(output, wanted, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state, last, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("torch_kind", "kind", "options"), KINDS)
def test_from_torch(torch_kind: type, kind: type, options: dict, shape: dict) -> None:
    torch.manual_seed(1)
    theirs = torch_kind(4, 5, dtype=F64, **shape, **{k: v for k, v in options.items() if k != "reset"})
    ours = from_torch(theirs)
    assert type(ours) is kind
    same(ours, theirs)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("torch_kind", "kind", "options"), KINDS)
def test_to_torch_and_back(torch_kind: type, kind: type, options: dict, shape: dict) -> None:
    torch.manual_seed(2)
    ours = kind(4, 5, dtype=F64, **shape, **options)
    theirs = to_torch(ours)
    assert type(theirs) is torch_kind
    same(ours, theirs)
    back = from_torch(theirs).state_dict()
    for name, value in ours.state_dict().items():
        assert torch.equal(back[name], value), name


def test_the_rest_is_carried_over() -> None:
    theirs = nn.GRU(4, 5, 2, batch_first=True, dropout=0.25).eval()
    ours = from_torch(theirs)
    assert (ours.batch_first, ours.dropout, ours.training) == (True, 0.25, False)
    back = to_torch(ours.train())
    assert (back.batch_first, back.dropout, back.training) == (True, 0.25, True)
    assert back.weight_ih_l0.dtype == torch.float32


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("frozen", ["weight_ih", "weight_hh", "bias", "weight"])
def test_what_is_frozen_stays_so(kind: type, frozen: str) -> None:
    theirs = kind(4, 5)
    for name, parameter in theirs.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen))
    ours = from_torch(theirs)
    trained = {name.rpartition(".")[2] for name, p in ours.named_parameters() if p.requires_grad}
    assert len(trained) == len(list(ours.parameters())) - sum(
        {"weight_ih": "input_weight", "weight_hh": "recurrent_weight"}.get(frozen, frozen) in name
        for name, _ in ours.named_parameters()
    )
    back = dict(to_torch(ours).named_parameters())
    assert {n: p.requires_grad for n, p in back.items()} == {
        n: p.requires_grad for n, p in theirs.named_parameters()
    }


class Own(Cell):
    def step(self, projected, state, memory=None):
        return state


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: GRU(4, 5), 'reset="after"'),
        (lambda: GRU(4, 5, reset="none"), 'reset="after"'),
        (lambda: LSTM(4, 5, peepholes="current"), "peepholes"),
        (lambda: LSTM(4, 5, output="identity"), "output"),
        (lambda: LSTM(4, 5, weight_drop=0.5), "weight_drop"),
        (lambda: LSTM(4, 5, 2, layer_norm=True), "layer_norm"),
        (lambda: Recurrent(Own, 4, 5), "Own"),
    ],
)
def test_what_torch_cannot_express_is_refused(layer: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        to_torch(layer())  # type: ignore[operator]


def test_what_we_cannot_express_is_refused() -> None:
    with pytest.raises(UserError, match="proj_size=3"):
        from_torch(nn.LSTM(4, 5, proj_size=3))
    with pytest.raises(UserError, match="Linear"):
        from_torch(nn.Linear(4, 5))  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [nn.Linear(4, 5), GRUCell(4, 5)])
def test_what_is_no_layer_of_ours_is_refused(other: nn.Module) -> None:
    with pytest.raises(UserError, match=f"{type(other).__name__} is not a layer of unrolled.nn"):
        to_torch(other)  # type: ignore[arg-type]
