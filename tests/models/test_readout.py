from __future__ import annotations

import torch

from unrolled.models import Readout


def test_sees_the_word_where_it_should():
    torch.manual_seed(0)
    readout = Readout(4, 3, 9, 5).eval()
    output, word = torch.randn(2, 4), torch.randn(2, 3)
    expected = torch.tanh(torch.cat((output, word), 1) @ readout.combine.weight.T + readout.combine.bias)
    features = readout(output, word)
    torch.testing.assert_close(features, expected)
    log_probs = readout.projection.log_probs(features)
    assert log_probs.shape == (2, 9)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(2))
    blind = Readout(4, 0, 9, 5).eval()
    assert torch.equal(blind(output, word), blind(output, word + 1))


def test_without_a_size_the_output_is_projected_as_it_is():
    readout = Readout(4, 0, 9, None, dropout=0.5).eval()
    output = torch.randn(2, 4)
    assert readout(output, output) is output
    assert torch.equal(
        readout.projection.log_probs(output), (output @ readout.projection.weight.T).log_softmax(1)
    )
