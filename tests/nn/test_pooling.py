from __future__ import annotations

import pytest
import torch

from unrolled.errors import UserError
from unrolled.nn import Pooling, Recurrent

LENGTHS = torch.tensor([4, 2, 0])


@pytest.mark.parametrize("kind", ["last", "mean", "max", "attention"])
def test_what_stands_past_a_length_changes_nothing(kind: str) -> None:
    torch.manual_seed(1)
    pooling = Pooling(kind, 6).double()  # type: ignore[arg-type]
    states = torch.randn(4, 3, 6, dtype=torch.float64)
    other = states.clone()
    found = pooling(states, LENGTHS)
    for padding in (100.0, torch.nan):
        other[2:, 1] = padding
        other[:, 2] = padding
        assert torch.equal(found, pooling(other, LENGTHS))
    assert torch.equal(found[2], torch.zeros(6)), "nothing was read"
    assert torch.allclose(found[1], pooling(states[:2, 1:2], torch.tensor([2]))[0])


@pytest.mark.parametrize("kind", ["last", "mean", "max", "attention"])
def test_no_steps_at_all_are_zeros(kind: str) -> None:
    found = Pooling(kind, 6, 2)(torch.zeros(0, 3, 6), torch.zeros(3, dtype=torch.int64))  # type: ignore[arg-type]
    assert torch.equal(found, torch.zeros(3, 6))


def test_mean_and_max() -> None:
    states = torch.tensor([[[1.0, -5.0]], [[3.0, -7.0]], [[99.0, 99.0]]])
    lengths = torch.tensor([2])
    assert Pooling("mean", 2)(states, lengths).tolist() == [[2.0, -6.0]]
    assert Pooling("max", 2)(states, lengths).tolist() == [[3.0, -5.0]]


def test_last_is_the_layers_final_state_in_both_directions() -> None:
    torch.manual_seed(2)
    layer = Recurrent("gru", 5, 3, bidirectional=True)
    output, state = layer(torch.randn(4, 2, 5), lengths=LENGTHS[:2])
    found = Pooling("last", 6, directions=2)(output, LENGTHS[:2])
    assert torch.allclose(found, torch.cat(list(state), dim=-1))


def test_attention_is_a_mean_with_learnt_weights() -> None:
    torch.manual_seed(3)
    pooling = Pooling("attention", 4).double()
    states = torch.randn(3, 1, 4, dtype=torch.float64)
    energies = pooling.score(torch.tanh(pooling.hidden(states[:, 0])))
    weights = torch.softmax(energies, dim=0)
    assert torch.allclose(pooling(states, torch.tensor([3]))[0], (weights * states[:, 0]).sum(0))
    states.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: pooling(s, torch.tensor([2])), states)


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(UserError, match=r"pooling 'avg' is not known"):
        Pooling("avg", 4)  # type: ignore[arg-type]
