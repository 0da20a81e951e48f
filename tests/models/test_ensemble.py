from __future__ import annotations

import pytest
import torch

from unrolled import decoding
from unrolled.errors import UserError
from unrolled.models import EncoderDecoder, EncoderDecoderSettings, Ensemble, average


def search(model, pairs):
    found = decoding.beam_search(
        model, (pairs.source, pairs.lengths), bos=2, eos=3, banned=[0, 2], beam=3, nbest=3, max_length=6
    )
    return [[(each.tokens, round(each.log_prob, 9)) for each in nbest] for nbest in found]


def test_a_model_with_itself_is_that_model(make_model, pairs):
    model = make_model()
    twice = Ensemble([model, model])
    assert search(twice, pairs) == search(model, pairs)
    one, two = model.forced(*pairs, attention=True), twice.forced(*pairs, attention=True)
    torch.testing.assert_close(one.log_probs, two.log_probs)
    torch.testing.assert_close(one.attention, two.attention)


def test_probabilities_are_averaged(make_model, pairs):
    kinds = ({"attention": "bahdanau", "cell": "gru"}, {"attention": "luong"}, {"attention": "none"})
    models = [make_model(seed, **kind) for seed, kind in enumerate(kinds)]
    together = Ensemble(models)
    source, tokens = (pairs.source, pairs.lengths), torch.tensor([4, 5, 6])
    _, log_probs = together.step(together.start(source), tokens)
    each = [model.step(model.start(source), tokens)[1].exp() for model in models]
    torch.testing.assert_close(log_probs.exp(), sum(each) / 3)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(3, dtype=torch.double))
    forced = together.forced(*pairs, attention=True)
    real = pairs.target[1:] != 0
    expected = sum(model.forced(*pairs).log_probs.exp() for model in models) / 3
    torch.testing.assert_close(forced.log_probs.exp()[real], expected[real])
    assert forced.log_probs[~real].eq(0).all()
    assert forced.attention is None, "one of them has none"


def test_search_and_forced_scores_agree(make_model, pairs):
    together = Ensemble([make_model(seed) for seed in range(3)])
    (best, *_), *_ = search(together, pairs)
    tokens, log_prob = best
    target = torch.tensor([2, *tokens, 3])[:, None]
    forced = together.forced(*pairs.column(0)._replace(target=target))
    assert float(forced.log_probs.detach().sum()) == pytest.approx(log_prob, abs=1e-8)


def test_different_vocabularies_are_refused(make_model, pairs):
    other = EncoderDecoder(EncoderDecoderSettings(embedding_size=6, hidden_size=8), 12, 9).double()
    together = Ensemble([make_model(), other])
    with pytest.raises(UserError, match="one target vocabulary"):
        together.step(together.start((pairs.source, pairs.lengths)), torch.tensor([4, 5, 6]))
    with pytest.raises(UserError, match="at least one"):
        Ensemble([])


def test_weights_are_averaged(make_model):
    states = [make_model(seed, tie="all").state_dict() for seed in range(3)]
    mean = average(states)
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, sum(state[name] for state in states) / 3)
    make_model(tie="all").load_state_dict(mean)
    whole = {"steps": torch.tensor([7]), "half": torch.tensor([1.0, 2.0], dtype=torch.bfloat16)}
    assert average([whole, whole])["steps"].tolist() == [7]
    assert average([whole, whole])["half"].dtype == torch.bfloat16
    wide = average([{"x": torch.tensor([1e8])}, *[{"x": torch.tensor([1.0])}] * 3])["x"]
    assert wide.item() == torch.tensor((1e8 + 3) / 4).item(), "summed in float64"
    with pytest.raises(UserError, match=r"checkpoint 2: its 'more' is not that of checkpoint 1"):
        average([states[0], {**states[0], "more": torch.zeros(1)}])
    with pytest.raises(UserError, match="at least one"):
        average([])
