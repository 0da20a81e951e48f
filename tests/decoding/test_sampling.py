from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unrolled.decoding import Sampling, greedy, sample, stream
from unrolled.errors import RunError, UserError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
ANYWHERE = {"bos": BOS, "eos": EOS, "banned": (PAD, UNK, BOS)}


def chi_square(observed, probabilities):
    """How far counts are from what the probabilities would have: its mean is one less than the kinds."""
    expected = probabilities * observed.sum()
    assert (observed[expected == 0] == 0).all(), "a token of probability 0 was drawn"
    kinds = expected > 0
    return float(((observed - expected)[kinds] ** 2 / expected[kinds]).sum()), int(kinds.sum()) - 1


def assert_follows(observed, probabilities):
    distance, degrees = chi_square(observed, probabilities)
    # Mean and standard deviation of the chi-square distribution; four of them are far out.
    assert distance < degrees + 4 * math.sqrt(2 * max(degrees, 1)) + 4, (observed, probabilities)


def first_tokens(log_probs, sampling, draws=20_000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(draws, generator=generator, dtype=torch.float64)
    ids = sampling.draw(log_probs.expand(draws, -1), uniform)
    return torch.bincount(ids, minlength=log_probs.shape[-1]).double()


LOG_PROBS = torch.tensor([0.02, 0.4, 0.05, 0.23, 0.0, 0.3], dtype=torch.float64).log()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [0, 1, 3, 50])
@pytest.mark.parametrize("top_p", [1.0, 0.65, 0.1])
def test_frequencies_follow_the_probabilities(temperature, top_k, top_p):
    probabilities = (LOG_PROBS / temperature).softmax(-1)
    order = probabilities.argsort(descending=True).tolist()
    kept = order[: top_k or len(order)]
    within = probabilities[kept] / probabilities[kept].sum()
    count = 1 + int((within.cumsum(0) < top_p - 1e-12).sum())
    expected = torch.zeros_like(probabilities)
    expected[kept[:count]] = probabilities[kept[:count]] / probabilities[kept[:count]].sum()
    assert_follows(first_tokens(LOG_PROBS, Sampling(temperature, top_k, top_p)), expected)


def test_every_row_has_its_own_distribution():
    log_probs = torch.stack([LOG_PROBS, LOG_PROBS.flip(0)])
    uniform = torch.rand(2, 5000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for sampling in (Sampling(), Sampling(top_k=3, top_p=0.8)):
        both = torch.stack([sampling.draw(log_probs, pair) for pair in uniform.T])
        alone = torch.stack(
            [sampling.draw(log_probs[[row]].expand(5000, -1), uniform[row]) for row in (0, 1)], dim=1
        )
        assert torch.equal(both, alone)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_range_draw_what_is_possible(uniform):
    log_probs = torch.tensor([[-math.inf, math.log(0.5), math.log(0.5), -math.inf]], dtype=torch.float64)
    for sampling in (Sampling(), Sampling(top_k=4), Sampling(top_p=0.9)):
        assert sampling.draw(log_probs, torch.tensor([uniform], dtype=torch.float64)).item() in (1, 2)


def test_a_tiny_temperature_is_greedy():
    log_probs = torch.tensor([[math.log(0.2), math.log(0.5), math.log(0.3)]])
    for sampling in (Sampling(1e-310), Sampling(1e-310, top_k=2), Sampling(1e-310, top_p=0.5)):
        assert sampling.draw(log_probs, torch.tensor([0.99])).item() == 1


@pytest.mark.parametrize("seed", range(20))
def test_temperature_zero_is_greedy(tables, seed):
    decoder = tables.random(seed)
    drawn = sample(decoder, torch.arange(4), sampling=Sampling(temperature=0), max_length=40, **ANYWHERE)
    best = greedy(decoder, torch.arange(4), max_length=41, length_penalty=0.0, **ANYWHERE)
    for one, other in zip(drawn, best, strict=True):
        if len(one[0].token_log_probs) > len(one[0].tokens):
            assert one == other
        else:  # stopped by the length, where greedy search must end in eos
            assert other[0].tokens[:40] == one[0].tokens


def test_texts_follow_the_model_from_first_to_last(tables):
    decoder = tables.random(0, sentences=1, vocabulary=6)
    texts = sample(decoder, torch.tensor([0]), samples=20_000, seed=3, max_length=2, **ANYWHERE)[0]
    words = [4, 5]
    table = decoder.table[0].exp()
    allowed = torch.zeros(6, dtype=torch.float64)
    allowed[[EOS, *words]] = 1
    first = table[BOS, BOS] * allowed / (table[BOS, BOS] * allowed).sum()
    kinds = {(): first[EOS]}
    for a in words:
        second = table[BOS, a] * allowed / (table[BOS, a] * allowed).sum()
        kinds[a,] = first[a] * second[EOS]
        kinds.update({(a, b): first[a] * second[b] for b in words})
    observed = torch.tensor([float(sum(tuple(each.tokens) == kind for each in texts)) for kind in kinds])
    assert observed.sum() == 20_000
    assert_follows(observed, torch.stack(list(kinds.values())))


def test_log_probabilities_are_the_models_own(tables):
    decoder = tables.random(1)
    texts = sample(decoder, torch.arange(4), sampling=Sampling(0.7, 2), max_length=9, **ANYWHERE)
    for table, (each,) in zip(decoder.table, texts, strict=True):
        path = [BOS, BOS, *each.tokens, EOS]
        expected = [float(table[a, b, c]) for a, b, c in zip(path, path[1:], path[2:], strict=False)]
        # Without the eos when the length ended the text.
        assert each.token_log_probs == expected[: len(each.token_log_probs)]
        assert len(each.token_log_probs) == len(expected) or len(each.tokens) == 9


def test_the_same_seed_draws_the_same_text(tables):
    decoder = tables.random(2)
    texts = [sample(decoder, torch.arange(4), samples=3, seed=s, max_length=9, **ANYWHERE) for s in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]
    assert [len(each) for each in texts[0]] == [3, 3, 3, 3]


def test_a_stream_gives_each_step_when_it_is_drawn(tables):
    decoder = tables.random(3)
    steps = stream(decoder, torch.arange(4), samples=2, seed=1, max_length=30, **ANYWHERE)
    first = next(steps)
    assert decoder.rows_stepped == 8
    drawn = [first, *steps]
    texts = sample(decoder, torch.arange(4), samples=2, seed=1, max_length=30, **ANYWHERE)
    for row, text in enumerate(each for sentence in texts for each in sentence):
        tokens = [step.tokens[row] for step in drawn]
        assert [token for token in tokens if token not in (None, EOS)] == text.tokens
        assert tokens[len(text.token_log_probs) :] == [None] * (len(drawn) - len(text.token_log_probs))


def test_without_eos_a_text_has_just_the_length_asked_for(tables):
    texts = sample(tables.random(4), torch.arange(2), max_length=17, bos=torch.tensor([4, 5]))
    assert [len(each[0].tokens) for each in texts] == [17, 17]


def test_no_text_is_shorter_than_asked(tables):
    texts = sample(tables.random(5), torch.arange(4), samples=50, min_length=6, max_length=8, **ANYWHERE)
    assert all(6 <= len(each.token_log_probs) <= 8 for sentence in texts for each in sentence)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temperature": -0.5}, "temperature -0.5"),
        ({"temperature": math.nan}, "temperature nan"),
        ({"top_k": -1}, "top_k -1"),
        ({"top_p": 0.0}, "top_p 0.0"),
        ({"top_p": 1.5}, "top_p 1.5"),
    ],
)
def test_impossible_distributions_are_named(options, says):
    with pytest.raises(UserError, match=says):
        Sampling(**options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 0}, "samples 0"),
        ({"max_length": 0}, "max_length 0"),
        ({"min_length": 6}, "min_length 6 and max_length 5"),
        ({"eos": UNK}, "eos is banned"),
    ],
)
def test_impossible_options_are_named(tables, options, says):
    with pytest.raises(UserError, match=says):
        sample(tables.random(0), torch.arange(1), **({"max_length": 5} | ANYWHERE | options))


def test_a_model_without_an_answer_is_an_error(tables):
    with pytest.raises(RunError, match="no token a probability after 0 tokens"):
        sample(tables(torch.full((1, 6, 6, 6), -math.inf)), torch.arange(1), max_length=5, **ANYWHERE)


def test_a_sentence_draws_by_its_own_seed_to_its_own_length(tables):
    decoder = tables.random(7)
    options = {"samples": 3, "min_length": 2, **ANYWHERE}
    both = sample(decoder, torch.tensor([1, 3]), seed=[8, 9], max_length=[2, 12], **options)
    assert {len(each.token_log_probs) for each in both[0]} == {2}
    for index, (seed, limit) in enumerate([(8, 2), (9, 12)]):
        source = torch.tensor([[1, 3][index]])
        assert sample(decoder, source, seed=seed, max_length=limit, **options) == [both[index]]


@pytest.mark.parametrize(
    "option", [{"bos": torch.full((50,), 4)}, {"max_length": [3, 3]}, {"seed": [1, 2, 3]}]
)
def test_what_is_one_a_sentence_has_as_many_entries_as_there_are_sentences(tables, option):
    with pytest.raises(UserError, match=r"has \d+ entries for 1 sentence: one for all, or one each"):
        sample(tables.random(0), torch.arange(1), **({"bos": BOS, "max_length": 3} | option))


def test_numbers_may_be_numpys(tables):
    decoder, options = tables.random(0), {"bos": BOS, "eos": EOS}
    for length, seed in ((np.int64(5), np.int64(3)), (torch.tensor(5), 3)):
        assert sample(decoder, torch.arange(2), max_length=length, seed=seed, **options) == sample(
            decoder, torch.arange(2), max_length=5, seed=3, **options
        )
        assert greedy(decoder, torch.arange(2), max_length=length, **options) == greedy(
            decoder, torch.arange(2), max_length=5, **options
        )


def test_no_sentences_no_samples() -> None:
    assert list(stream(None, [], max_length=[], bos=1, eos=2)) == []
