from __future__ import annotations

import math

import pytest
import torch

from unrolled.errors import UserError
from unrolled.nn.attention import SCORES, AttentionMemory, Seats, make_attention, masked_softmax

QUERY, FEATURES, SIZE = 4, 4, 4


def example(score, *, batch=3, source=5, seed=0):
    torch.manual_seed(seed)
    attention = make_attention(score, QUERY, FEATURES, SIZE).double()
    features = torch.randn(source, batch, FEATURES, dtype=torch.double)
    lengths = torch.tensor([5, 2, 3])[:batch]
    return attention, features, lengths, attention.remember(features, lengths)


def energy_by_hand(attention, s, a):
    """One energy, number by number, as the equations are written."""
    weights = {name: weight.detach() for name, weight in attention.named_parameters()}
    if attention.score == "dot":
        return sum(float(s[i] * a[i]) for i in range(QUERY))
    if attention.score == "general":
        w = weights["key_weight"]
        return sum(float(s[i] * w[i, j] * a[j]) for i in range(QUERY) for j in range(FEATURES))
    w, u, v = weights["query_weight"], weights["key_weight"], weights["energy_weight"][0]
    return sum(
        float(v[k])
        * math.tanh(
            sum(float(w[k, i] * s[i]) for i in range(QUERY))
            + sum(float(u[k, j] * a[j]) for j in range(FEATURES))
        )
        for k in range(SIZE)
    )


@pytest.mark.parametrize("score", SCORES)
def test_follows_the_equations(score):
    attention, features, lengths, memory = example(score)
    query = torch.randn(3, QUERY, dtype=torch.double)
    context, weights = attention(query, memory)
    for b, length in enumerate(lengths.tolist()):
        exponentials = [math.exp(energy_by_hand(attention, query[b], features[t, b])) for t in range(length)]
        expected = torch.tensor(exponentials, dtype=torch.double) / sum(exponentials)
        torch.testing.assert_close(weights[b, :length], expected)
        torch.testing.assert_close(context[b], expected @ features[:length, b])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("seed", range(3))
def test_weights_sum_to_one_and_never_fall_on_padding(score, seed):
    attention, features, lengths, memory = example(score, seed=seed)
    _, weights = attention(100 * torch.randn(3, QUERY, dtype=torch.double), memory)
    torch.testing.assert_close(weights.sum(1), torch.ones(3, dtype=torch.double))
    assert (weights >= 0).all()
    assert (weights[~memory.mask] == 0).all()
    query = torch.ones(3, QUERY, dtype=torch.double)
    before = attention(query, memory)[0]
    features[4, 1] = 1e30  # past the second length
    assert torch.equal(attention(query, attention.remember(features, lengths))[0], before)


def test_an_empty_source_gives_nothing_to_see_and_no_nan():
    energies = torch.randn(2, 1, 3, requires_grad=True)
    weights = masked_softmax(energies, torch.tensor([[True, True, False], [False, False, False]]))
    assert weights[1].eq(0).all()
    (gradient,) = torch.autograd.grad(weights[0, 0, 0], energies)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("score", SCORES)
def test_what_stands_past_a_length_is_not_seen(score):
    attention, features, lengths, memory = example(score)
    padding = (torch.arange(5)[:, None] >= lengths)[..., None]
    features = features.masked_fill(padding, torch.nan).requires_grad_()
    query = torch.randn(3, QUERY, dtype=torch.double, requires_grad=True)
    context, weights = attention(query, attention.remember(features, lengths))
    expected = attention(query, memory)
    torch.testing.assert_close(context, expected[0])
    torch.testing.assert_close(weights, expected[1])
    for gradient in torch.autograd.grad(context.sum(), (query, features)):
        assert gradient.isfinite().all()


def test_softmax_survives_large_energies():
    weights = masked_softmax(torch.tensor([[[1e38, -1e38, 3e38]]]), torch.ones(1, 3, dtype=torch.bool))
    assert weights.tolist() == [[[0, 0, 1]]]


@pytest.mark.parametrize("score", SCORES)
def test_all_steps_at_once_equal_one_after_another(score):
    attention, _, _, memory = example(score)
    queries = torch.randn(6, 3, QUERY, dtype=torch.double)
    contexts, weights = attention.all_steps(queries, memory)
    for t in range(6):
        context, weight = attention(queries[t], memory)
        torch.testing.assert_close(contexts[t], context)
        torch.testing.assert_close(weights[t], weight)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 0, 0, 1, 2, 2], [2, 0, 2, 1], [1, 1], [2], [0, 0, 2], []])
def test_selected_rows_attend_to_their_own_sentence(score, rows):
    attention, _, _, memory = example(score)
    rows = torch.tensor(rows, dtype=torch.int64)
    queries = torch.randn(len(rows), QUERY, dtype=torch.double)
    context, weights = attention(queries, memory.select(rows))
    copied = AttentionMemory(memory.keys[rows], memory.values[rows], memory.lengths[rows])
    expected_context, expected_weights = attention(queries, copied)
    torch.testing.assert_close(context, expected_context)
    torch.testing.assert_close(weights, expected_weights)


def test_selecting_again_goes_from_row_to_row():
    attention, _, _, memory = example("general")
    rows = torch.tensor([2, 0, 0, 1])
    twice = memory.select(rows).select(torch.tensor([3, 1, 1]))
    queries = torch.randn(3, QUERY, dtype=torch.double)
    once = memory.select(torch.tensor([1, 0, 0]))
    torch.testing.assert_close(attention(queries, twice)[0], attention(queries, once)[0])


def test_memory_is_indexed_not_copied():
    _, _, _, memory = example("additive")
    many = memory.select(torch.tensor([0, 0, 0, 0, 1, 1, 2, 2]))
    assert many.keys is memory.keys
    assert many.values is memory.values
    few = many.select(torch.tensor([7]))  # one sentence of three is left
    assert few.keys.shape[0] == 1
    assert torch.equal(few.values[0], memory.values[2])


def test_seats_are_all_different():
    seats = Seats(torch.tensor([2, 0, 2, 0, 2]), 4)
    assert seats.width == 3
    assert sorted(seats.place.tolist()) == [0, 1, 6, 7, 8]


@pytest.mark.parametrize("score", SCORES)
def test_gradients(score):
    attention, features, lengths, _ = example(score)

    def attend(query, features, *weights):
        memory = attention.remember(features, lengths)
        return attention(query, memory)

    query = torch.randn(3, QUERY, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(attend, (query, features.requires_grad_(), *attention.parameters()))


def test_float32_is_close_to_float64():
    attention, features, lengths, memory = example("additive")
    query = torch.randn(3, QUERY, dtype=torch.double)
    expected = attention(query, memory)[0]
    context = attention.float()(query.float(), attention.remember(features.float(), lengths))[0]
    assert (context - expected).norm() / expected.norm() < 1e-5


def test_wrong_sizes_are_refused():
    with pytest.raises(UserError, match="did you mean 'general'"):
        make_attention("genral", 4, 4)
    with pytest.raises(UserError, match="twice the encoder's"):
        make_attention("dot", 4, 8)
    with pytest.raises(UserError, match="attention_size=7"):
        make_attention("general", 4, 8, 7)
