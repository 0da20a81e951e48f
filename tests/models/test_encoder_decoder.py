from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from unrolled import decoding
from unrolled.errors import UserError
from unrolled.models import EncoderDecoder, EncoderDecoderSettings
from unrolled.nn import Cell, register_cell

PAD, BOS, EOS, WORDS = 0, 2, 3, 12


@register_cell("test-decaying")
class Decaying(Cell):
    """A user's own cell: its output is not as wide as its hidden state, and it keeps two tensors."""

    def __init__(self, input_size, hidden_size, *, rate=0.5):
        super().__init__(input_size, hidden_size, output_size=hidden_size + 1)
        self.rate = rate
        self.inner = torch.nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch, *, like):
        return like.new_zeros(batch, self.hidden_size), like.new_zeros(batch, 1)

    def step(self, projected, state, memory=None):
        a, total = state
        a = self.rate * a + torch.tanh(self.inner(torch.cat((projected, a), dim=-1)))
        return a, total + a.mean(-1, keepdim=True)

    def output(self, state):
        return torch.cat(state, dim=-1)


ATTENTIONS = {
    "bahdanau": {"attention": "bahdanau", "score": "additive"},
    "bahdanau-general": {"attention": "bahdanau", "score": "general"},
    "luong-feeding": {"attention": "luong", "score": "general", "input_feeding": True},
    "luong-feeding-dot": {"attention": "luong", "score": "dot", "input_feeding": True},
    "luong": {"attention": "luong", "score": "general", "input_feeding": False},
    "luong-additive": {"attention": "luong", "score": "additive", "input_feeding": False},
    "none": {"attention": "none"},
}
CELLS = {
    "rnn": {"cell": "rnn"},
    "gru": {"cell": "gru"},
    "lstm": {"cell": "lstm", "cell_options": {"peepholes": "current"}},
    "own": {"cell": "test-decaying", "cell_options": {"rate": 0.25}},
}
COMBINATIONS = [
    pytest.param(
        {**ATTENTIONS[a], **CELLS[c], "encoder_layers": e, "decoder_layers": d, "bidirectional": b},
        id=f"{a}-{c}-{e}-{d}-{'both' if b else 'one'}",
    )
    for a, c, (e, d), b in itertools.product(ATTENTIONS, CELLS, [(1, 1), (2, 2), (1, 2)], [True, False])
    if not (c == "own" and "dot" in a and b)  # its width differs by direction, and dot needs equal widths
]


def stepwise(model, pair):
    """log P of one pair's target, one protocol step after another."""
    state = model.start((pair.source, pair.lengths))
    found = []
    for given, wanted in itertools.pairwise(pair.target[:, 0].tolist()):
        state, log_probs = model.step(state, torch.tensor([given]))
        assert log_probs.shape == (1, WORDS)
        found.append(log_probs[0, wanted])
    return torch.stack(found)


@pytest.mark.parametrize("options", COMBINATIONS)
def test_every_combination_trains_scores_and_decodes(make_model, options, pairs):
    model = make_model(**options)
    # One step against the gradient makes the targets likelier.
    model.train()
    total, count = model(*pairs)
    assert count == 4 + 6 + 2
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.01 * parameter.grad
    assert model(*pairs)[0] < total
    # Teacher forcing, batched and padded, equals stepping through each pair by itself.
    model.eval()
    forced = model.forced(*pairs, attention=True)
    for column in range(3):
        expected = stepwise(model, pairs.column(column))
        torch.testing.assert_close(forced.log_probs[: len(expected), column], expected)
        assert forced.log_probs[len(expected) :, column].eq(0).all()
    torch.testing.assert_close(-forced.log_probs.sum(), model(*pairs)[0].detach())
    if options["attention"] == "none":
        assert forced.attention is None
    else:
        real = (pairs.target[1:] != PAD).double()
        torch.testing.assert_close(forced.attention.sum(2), real)
        within = torch.arange(6) < pairs.lengths[:, None]
        assert (forced.attention * ~within == 0).all()
    # The search's own account of its best equals the forced score.
    for found, column in zip(search(model, pairs, beam=2), range(3), strict=True):
        best = found[0]
        if len(best.token_log_probs) == len(best.tokens) + 1:
            target = torch.tensor([BOS, *best.tokens, EOS])[:, None]
            alone = pairs.column(column)._replace(target=target)
            assert math.isclose(
                float(model.forced(*alone).log_probs.detach().sum()), best.log_prob, rel_tol=1e-6
            )


def search(model, pairs, **options):
    return decoding.beam_search(
        model, (pairs.source, pairs.lengths), bos=BOS, eos=EOS, banned=[PAD, BOS], max_length=8, **options
    )


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_batch_and_padding_never_change_what_is_written(make_model, make_pairs, kind, seed):
    model = make_model(seed, **ATTENTIONS[kind])
    pairs = make_pairs(seed)
    wide = torch.cat((pairs.source, torch.full((3, 3), PAD)))
    together = search(model, pairs._replace(source=wide), beam=3, nbest=3)
    for column in range(3):
        (alone,) = search(model, pairs.column(column), beam=3, nbest=3)
        assert [each.tokens for each in alone] == [each.tokens for each in together[column]]
        for one, other in zip(alone, together[column], strict=True):
            assert math.isclose(one.log_prob, other.log_prob, rel_tol=1e-9)


@pytest.mark.parametrize("kind", ["bahdanau", "luong-feeding", "luong"])
def test_search_shares_the_memory_of_a_sentence(make_model, kind, pairs):
    model = make_model(**ATTENTIONS[kind])
    state = model.start((pairs.source, pairs.lengths))
    many = model.select(state, torch.tensor([0, 0, 0, 1, 2, 2]))
    assert many.rows == 6
    assert many.memory.keys is state.memory.keys
    assert many.memory.values is state.memory.values
    # Every row goes on as if its sentence had been given by itself.
    tokens = torch.tensor([4, 5, 6, 7, 8, 9])
    after, log_probs = model.step(many, tokens)
    for row, sentence in enumerate([0, 0, 0, 1, 2, 2]):
        alone = model.start(pairs.column(sentence)[:2])
        _, expected = model.step(alone, tokens[row : row + 1])
        torch.testing.assert_close(log_probs[row], expected[0])
    assert after.memory is many.memory


def test_the_given_state_stays_as_it_was(make_model, pairs):
    model = make_model()
    state = model.start((pairs.source, pairs.lengths))
    before = [part.clone() for part in state.cell]
    tokens = torch.tensor([4, 5, 6])
    _, first = model.step(state, tokens)
    _, second = model.step(state, tokens)
    assert torch.equal(first, second)
    assert all(torch.equal(one, other) for one, other in zip(before, state.cell, strict=True))


@pytest.mark.parametrize("kind", ["bahdanau", "luong-feeding", "luong", "none"])
def test_gradients(make_model, kind, pairs):
    options = {"embedding_size": 3, "hidden_size": 4, "cell": "gru", "label_smoothing": 0.1}
    model = make_model(**ATTENTIONS[kind], **options).train()
    names, values = zip(*model.named_parameters(), strict=True)

    def loss(*values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), tuple(pairs))[0]

    assert torch.autograd.gradcheck(loss, values, fast_mode=True)


def test_label_smoothing_counts_while_training_alone(make_model, pairs):
    plain, smoothed = make_model(), make_model(label_smoothing=0.2)
    assert torch.equal(plain(*pairs)[0], smoothed(*pairs)[0])
    forced_total = -plain.forced(*pairs).log_probs.sum()
    torch.testing.assert_close(smoothed.eval()(*pairs)[0].detach(), forced_total)
    assert smoothed.train()(*pairs)[0] > plain.train()(*pairs)[0]


@pytest.mark.parametrize("kind", ["luong", "none"])
def test_consistency_is_the_divergence_of_two_readings(make_model, kind, pairs):
    model = make_model(consistency=3.0, **ATTENTIONS[kind], readout_dropout=0.5, label_smoothing=0.1).train()
    torch.manual_seed(2)
    found, count = model(*pairs)

    torch.manual_seed(2)
    source, target = (torch.cat((each, each), dim=1) for each in (pairs.source, pairs.target))
    real = target[1:] != 0
    encoded = model.encoder(source, pairs.lengths.repeat(2))
    features = model.decoder.run(encoded, target[:-1], real.sum(0)).features
    logits = model.decoder.readout.projection(features).chunk(2, dim=1)
    one, other = (torch.distributions.Categorical(logits=each) for each in logits)
    divergence = torch.distributions.kl_divergence
    apart = (divergence(one, other) + divergence(other, one))[real.chunk(2, dim=1)[0]].sum() / 2
    assert apart > 1e-4
    torch.testing.assert_close(found, model.decoder.cross_entropy(features, target[1:]) / 2 + 3 * apart)
    assert count == int(real.sum()) // 2


def test_consistency_counts_while_training_alone(make_model, pairs):
    plain, twice = make_model(), make_model(consistency=3.0)
    assert torch.equal(plain(*pairs)[0], twice(*pairs)[0])
    torch.testing.assert_close(twice.train()(*pairs), plain.train()(*pairs))  # two readings that are one


@pytest.mark.parametrize("place", ["embedding", "word", "layer", "recurrent", "context", "readout"])
@pytest.mark.parametrize("kind", ["bahdanau", "luong-feeding", "luong", "none"])
def test_dropout_at_each_place_acts_while_training_alone(make_model, place, kind, pairs):
    options = {**ATTENTIONS[kind], f"{place}_dropout": 0.5, "encoder_layers": 2, "decoder_layers": 2}
    if place == "context" and kind == "none":
        options["bridge"] = "mean"
    model = make_model(**options)
    assert torch.equal(model(*pairs)[0], model(*pairs)[0])
    model.train()
    assert not torch.equal(model(*pairs)[0], model(*pairs)[0])


@pytest.mark.parametrize("kind", ["bahdanau", "luong-feeding", "none"])
def test_tied_words_have_one_table(make_model, kind, pairs):
    model = make_model(**ATTENTIONS[kind], tie="all")
    table = model.encoder.embedding.weight
    assert model.decoder.embedding.weight is table
    assert model.decoder.readout.projection.weight is table
    model(*pairs)[0].backward()
    assert table.grad.abs().sum() > 0
    only_target = make_model(**ATTENTIONS[kind], tie="target")
    assert only_target.encoder.embedding.weight is not only_target.decoder.embedding.weight
    with pytest.raises(UserError, match="shared = true"):
        EncoderDecoder(EncoderDecoderSettings(tie="all"), 9, 12)


def test_starts_near_a_uniform_guess(make_model, pairs):
    for kind, tie in itertools.product(ATTENTIONS, ("none", "all")):
        total, count = make_model(**ATTENTIONS[kind], tie=tie, embedding_size=64, hidden_size=64)(*pairs)
        assert abs(float(total.detach()) / count - math.log(WORDS)) < 0.7, (kind, tie)


@pytest.mark.parametrize("kind", ["bahdanau", "luong-feeding", "luong"])
def test_learns_to_copy_backwards(kind):
    torch.manual_seed(0)
    options = {**ATTENTIONS[kind], "cell": "gru", "embedding_size": 24, "hidden_size": 48}
    model = EncoderDecoder(EncoderDecoderSettings(**options), WORDS, WORDS)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    lengths = torch.full((64,), 5)
    for _ in range(240):
        source = torch.randint(4, WORDS, (5, 64))
        target = F.pad(F.pad(source.flip(0), (0, 0, 1, 0), value=BOS), (0, 0, 0, 1), value=EOS)
        total, count = model(source, lengths, target)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    assert float(total.detach()) / count < 0.1
    found = decoding.greedy(model.eval(), (source, lengths), bos=BOS, eos=EOS, max_length=8)
    right = sum(each[0].tokens == source[:, i].flip(0).tolist() for i, each in enumerate(found))
    assert right >= 60
