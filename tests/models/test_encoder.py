from __future__ import annotations

import pytest
import torch

from unrolled.models import Encoder, EncoderDecoderSettings
from unrolled.nn.embedding import Embedding


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_shapes_and_last_states(cell, bidirectional, layers, pairs):
    torch.manual_seed(0)
    settings = EncoderDecoderSettings(
        cell=cell, hidden_size=8, encoder_layers=layers, bidirectional=bidirectional
    )
    encoder = Encoder(settings, Embedding(12, 6)).double()
    encoded = encoder(pairs.source, pairs.lengths)
    assert encoded.output.shape == (6, 3, 8) == (6, 3, encoder.feature_size)
    assert encoded.output[2:, 1].eq(0).all()
    assert encoded.state.shape == (layers, 3, encoder.state_size)
    # The top layer's last state begins with what the output shows last (forwards) and first (backwards).
    width = settings.direction_size
    last = encoded.output[pairs.lengths - 1, torch.arange(3)]
    top = encoded.state[-1]
    torch.testing.assert_close(top[:, :width], last[:, :width])
    if bidirectional:
        backwards = top[:, encoder.state_size // 2 :][:, :width]
        torch.testing.assert_close(backwards, encoded.output[0, :, width:])


def test_other_sentences_do_not_matter(pairs):
    torch.manual_seed(0)
    encoder = Encoder(EncoderDecoderSettings(hidden_size=8, encoder_layers=2), Embedding(12, 6)).double()
    together = encoder(pairs.source, pairs.lengths)
    for column in range(3):
        alone = encoder(*pairs.column(column)[:2])
        torch.testing.assert_close(together.output[: len(alone.output), column], alone.output[:, 0])
        torch.testing.assert_close(together.state[:, column], alone.state[:, 0])
