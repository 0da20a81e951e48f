from __future__ import annotations

import pytest
import torch

from unrolled.errors import UserError
from unrolled.models import Bridge, Encoded
from unrolled.nn.attentive import Stacked
from unrolled.nn.cells import GRU, LSTM

DEEP = [LSTM(3, 4), GRU(4, 5), GRU(5, 5)]


def example(layers=2):
    torch.manual_seed(0)
    output = torch.randn(4, 2, 6)
    output[1:, 1] = 0
    return Encoded(output, torch.randn(layers, 2, 7), torch.tensor([4, 1]))


def test_each_cell_reads_the_layer_at_its_height():
    encoded = example()
    bridge = Bridge("last", Stacked(DEEP), 6, 7)
    state = bridge(encoded)
    assert [tuple(part.shape) for part in state] == [(2, 4), (2, 4), (2, 5), (2, 5)]
    torch.testing.assert_close(torch.cat(state[:2], 1), torch.tanh(bridge.levels[0](encoded.state[0])))
    torch.testing.assert_close(state[2], torch.tanh(bridge.levels[1](encoded.state[1])))
    torch.testing.assert_close(state[3], torch.tanh(bridge.levels[2](encoded.state[1])))


def test_the_mean_is_of_real_positions():
    encoded = example()._replace(state=None)
    bridge = Bridge("mean", DEEP[1], 6, None)
    (state,) = bridge(encoded)
    means = torch.stack((encoded.output[:, 0].mean(0), encoded.output[0, 1]))
    torch.testing.assert_close(state, torch.tanh(bridge.levels[0](means)))


def test_zero_has_no_weights():
    bridge = Bridge("zero", Stacked(DEEP), 6, None)
    assert not list(bridge.parameters())
    assert all(part.eq(0).all() for part in bridge(example()))


def test_a_mistyped_kind_is_refused():
    with pytest.raises(UserError, match="did you mean 'last'"):
        Bridge("lsat", DEEP[1], 6, 7)


def test_a_source_without_order_has_no_last_state():
    with pytest.raises(UserError, match='choose "mean"'):
        Bridge("last", DEEP[1], 6, None)
