"""The decoder over something that is not a sentence, as a captioner uses it."""

from __future__ import annotations

import pytest
import torch

from unrolled.errors import UserError
from unrolled.models import Decoder, DecoderSettings, Encoded


def regions(batch=3, seed=0):
    """Pictures of different numbers of regions; nothing was read in order, so there is no last state."""
    torch.manual_seed(seed)
    lengths = torch.tensor([5, 3, 4])[:batch]
    output = torch.randn(5, batch, 7, dtype=torch.double)
    return Encoded(output * (torch.arange(5)[:, None] < lengths)[..., None], None, lengths)


def make_decoder(**options):
    torch.manual_seed(0)
    settings = DecoderSettings(
        **{"bridge": "mean", "hidden_size": 8, "embedding_size": 6, "attention": "bahdanau", **options}
    )
    return Decoder(settings, 12, feature_size=7, state_size=None).double().eval()


@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_writes_about_regions(attention, pairs):
    decoder = make_decoder(attention=attention)
    encoded = regions()
    forced = decoder.forced(encoded, pairs.target, attention=True)
    state = decoder.start(encoded)
    for t in range(2):  # no target ends sooner
        state, log_probs = decoder.step(state, pairs.target[t])
        torch.testing.assert_close(
            forced.log_probs[t], log_probs.gather(1, pairs.target[t + 1][:, None])[:, 0]
        )
    total, count = decoder.loss(encoded, pairs.target)
    torch.testing.assert_close(total.detach(), -forced.log_probs.sum())
    assert count == 12


@pytest.mark.parametrize(
    "options",
    [{"attention": "bahdanau"}, {"attention": "luong"}, {"attention": "luong", "input_feeding": False}],
)
def test_attention_can_be_trained_on(options, pairs):
    """A doubly stochastic regulariser needs the gradient of the weights."""
    decoder = make_decoder(**options)
    words, lengths = pairs.target[:-1], (pairs.target[1:] != 0).sum(0)
    weights = decoder.run(regions(), words, lengths, attention=True).attention
    steps = torch.arange(len(words))[:, None] < lengths
    torch.testing.assert_close(weights.sum(2), steps.double())
    uneven = ((1 - weights.sum(0)) ** 2).sum()
    uneven.backward()
    assert decoder.embedding.weight.grad.abs().sum() > 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match='choose "mean" or "zero"'):
        make_decoder(bridge="last")
    with pytest.raises(UserError, match="score='dot'"):
        make_decoder(score="dot")


def test_a_target_of_no_words_costs_nothing():
    decoder = make_decoder()
    total, count = decoder.loss(regions(), torch.full((1, 3), 2))
    assert (float(total.detach()), count) == (0, 0)
