from __future__ import annotations

import math

import pytest
import torch

from unrolled.decoding import BeamTrace, beam_search, greedy
from unrolled.errors import RunError, UserError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
BANNED = (PAD, UNK, BOS)


def search(decoder, sentences, **options):
    options = {"max_length": 10, "bos": BOS, "eos": EOS, "banned": BANNED} | options
    return beam_search(decoder, torch.as_tensor(sentences), **options)


def as_written(table, *, beam, alpha, nbest, max_length, min_length=0, stop_early=True):
    """The search of the design, one sentence, one hypothesis at a time: what the batched one must equal."""
    opened, finished = [((), 0.0)], []
    for step in range(1, max_length + 1):
        extensions = []
        for output, total in opened:
            path = (BOS, BOS, *output)
            for token in range(table.shape[-1]):
                if token in BANNED or (step == max_length and token != EOS):
                    continue
                if token == EOS and step < min_length:
                    continue
                extensions.append(((*output, token), total + float(table[path[-2], path[-1], token])))
        extensions.sort(key=lambda each: -each[1])
        kept = extensions[: beam - len(finished)]
        opened = [each for each in kept if each[0][-1] != EOS]
        finished += [(total / step**alpha, output[:-1]) for output, total in kept if output[-1] == EOS]
        finished.sort(key=lambda each: -each[0])
        if len(finished) == beam or not opened:
            break
        hope = max(total for _, total in opened) / max_length**alpha
        if stop_early and len(finished) >= nbest and hope <= finished[nbest - 1][0]:
            break
    return finished[:nbest]


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("banned", [(), BANNED, (UNK,)], ids=["none", "usual", "unk"])
@pytest.mark.parametrize("seed", range(5))
def test_a_full_beam_finds_the_best_of_everything(tables, alpha, banned, seed):
    decoder, longest = tables.random(seed, sentences=3, vocabulary=5), 4
    found = search(
        decoder, range(3), beam=400, nbest=5, length_penalty=alpha, max_length=longest, banned=banned
    )
    for sentence in range(3):
        everything = decoder.everything(sentence, longest, banned)
        best = sorted(((total / (len(out) + 1) ** alpha, out) for out, total in everything), reverse=True)[:5]
        assert [tuple(each.tokens) for each in found[sentence]] == [out for _, out in best]
        assert [each.score for each in found[sentence]] == pytest.approx([score for score, _ in best])


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_search_as_written(tables, seed):
    decoder = tables.random(seed, spread=1 + seed % 3)
    beam, alpha = 1 + seed % 5, (0.0, 0.7, 1.0, 2.0)[seed % 4]
    nbest, lengths = 1 + seed % beam, [9, 4, 6, 12]
    found = search(
        decoder,
        range(4),
        beam=beam,
        nbest=nbest,
        length_penalty=alpha,
        max_length=lengths,
        min_length=seed % 4,
    )
    for sentence in range(4):
        expected = as_written(
            decoder.table[sentence],
            beam=beam,
            alpha=alpha,
            nbest=nbest,
            max_length=lengths[sentence],
            min_length=seed % 4,
        )
        assert [tuple(each.tokens) for each in found[sentence]] == [output for _, output in expected]
        assert [each.score for each in found[sentence]] == pytest.approx([score for score, _ in expected])


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize(
    "option", [{"max_length": [6]}, {"max_length": [6, 6, 6]}, {"bos": torch.full((3,), BOS)}]
)
def test_what_is_one_a_sentence_has_as_many_entries_as_there_are_sentences(tables, beam, option):
    with pytest.raises(UserError, match=r"has [13] entries for 2 sentences: one for all, or one each"):
        search(tables.random(0), range(2), beam=beam, **option)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("penalty", [-0.5, 1e4, math.inf, math.nan])
def test_a_length_penalty_that_is_no_number_of_its_kind_is_refused(tables, penalty, beam):
    with pytest.raises(UserError, match=f"length_penalty {penalty} is not possible: 0 to 50"):
        search(tables.random(0), [0], beam=beam, length_penalty=penalty)
    assert search(tables.random(0), [0], beam=beam, length_penalty=50.0)


@pytest.mark.parametrize("seed", range(40))
def test_stopping_early_never_changes_the_answer(tables, seed):
    decoder, nbest = tables.random(seed, sentences=1, spread=2.5), 1 + seed % 4
    found = search(decoder, [0], beam=4, nbest=nbest, max_length=14)[0]
    patient = as_written(decoder.table[0], beam=4, alpha=0.7, nbest=nbest, max_length=14, stop_early=False)
    assert [tuple(each.tokens) for each in found] == [output for _, output in patient]


def test_stops_when_no_open_hypothesis_can_win(tables):
    # eos is nearly certain at once, so what stays open can never catch up: one step is enough.
    scores = torch.zeros(1, 6, 6, 6, dtype=torch.float64)
    scores[..., EOS] = 20
    decoder = tables(scores.log_softmax(-1))
    assert search(decoder, [0], beam=3, max_length=50)[0][0].tokens == []
    assert decoder.rows_stepped == 1
    # Asked for two, it must go on until the second best is beyond doubt.
    assert len(search(decoder, [0], beam=3, nbest=2, max_length=50)[0]) == 2
    assert decoder.rows_stepped > 2


def test_finished_hypotheses_are_not_replaced(tables):
    # From bos: eos 0.4, a 0.35, b 0.25. With a beam of 2, eos and a are kept; from then on only one is open.
    table = torch.full((1, 6, 6, 6), -math.inf, dtype=torch.float64)
    a, b = 4, 5
    table[0, BOS, BOS, [EOS, a, b]] = torch.tensor([0.4, 0.35, 0.25], dtype=torch.float64).log()
    table[0, BOS, a, [EOS, a, b]] = torch.tensor([0.1, 0.5, 0.4], dtype=torch.float64).log()
    table[0, a, a, EOS] = math.log(1.0)
    decoder = tables(table)
    found = search(decoder, [0], beam=2, nbest=2, length_penalty=0.0)[0]
    assert [each.tokens for each in found] == [[], [a, a]]
    assert decoder.rows_stepped == 3


@pytest.mark.parametrize("seed", range(200))
def test_a_beam_of_one_is_greedy(tables, seed):
    decoder = tables.random(seed, spread=1 + seed % 3)
    options = {"max_length": [9, 3, 12, 6], "min_length": seed % 3, "bos": BOS, "eos": EOS, "banned": BANNED}
    quick = greedy(decoder, torch.arange(4), **options)
    assert beam_search(decoder, torch.arange(4), beam=1, **options) == quick
    # A trace keeps beam_search on its general path.
    assert beam_search(decoder, torch.arange(4), beam=1, trace=BeamTrace(), **options) == quick


@pytest.mark.parametrize("beam", [1, 3, 6])
@pytest.mark.parametrize("seed", range(10))
def test_the_rest_of_the_batch_changes_nothing(tables, beam, seed):
    decoder, lengths = tables.random(seed, sentences=6), [9, 3, 12, 6, 1, 8]
    together = search(decoder, range(6), beam=beam, nbest=beam, max_length=lengths)
    for order in ([0], [5, 2], [4, 3, 1, 0], [1, 1, 1]):
        some = search(decoder, order, beam=beam, nbest=beam, max_length=[lengths[i] for i in order])
        assert some == [together[i] for i in order]


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_equal_scores_are_ordered_the_same_way_in_every_batch(tables, beam):
    # Whole numbers make ties at every step: lower ids must win, from the better-ranked parent.
    generator = torch.Generator().manual_seed(3)
    table = -torch.randint(1, 3, (5, 9, 9, 9), generator=generator).double()
    decoder = tables(table)
    together = search(decoder, range(5), beam=beam, nbest=beam, max_length=7)
    for sentence in range(5):
        assert search(decoder, [sentence], beam=beam, nbest=beam, max_length=7)[0] == together[sentence]
        expected = as_written(table[sentence], beam=beam, alpha=0.7, nbest=beam, max_length=7)
        assert [tuple(each.tokens) for each in together[sentence]] == [output for _, output in expected]


def test_finished_sentences_are_dropped_from_the_batch(tables):
    decoder = tables.random(1, sentences=4)
    search(decoder, range(4), beam=3, max_length=[1, 1, 1, 8])
    alone = tables.random(1, sentences=4)
    search(alone, [3], beam=3, max_length=8)
    assert decoder.rows_stepped == alone.rows_stepped + 3


def test_at_the_last_step_only_eos_follows_and_it_is_counted(tables):
    decoder = tables.random(0, sentences=4)
    for found, longest in zip(
        search(decoder, range(4), beam=5, nbest=5, max_length=[1, 2, 3, 4]), [1, 2, 3, 4], strict=True
    ):
        for each in found:
            assert len(each.token_log_probs) == len(each.tokens) + 1 <= longest
            assert each.log_prob == pytest.approx(sum(each.token_log_probs))
            assert each.score == pytest.approx(each.log_prob / len(each.token_log_probs) ** 0.7)
    assert search(decoder, [0], beam=2, max_length=1)[0][0].tokens == []


@pytest.mark.parametrize("beam", [1, 4])
def test_no_hypothesis_is_shorter_than_asked(tables, beam):
    for found in search(tables.random(2), range(4), beam=beam, nbest=beam, min_length=5, max_length=6):
        assert found
        assert all(5 <= len(each.token_log_probs) <= 6 for each in found)


def test_banned_tokens_never_follow_and_keep_their_probability(tables):
    decoder = tables.random(4)
    word = search(decoder, [0], beam=1, min_length=3, max_length=3)[0][0].tokens[0]
    without = search(decoder, [0], beam=1, min_length=3, max_length=3, banned=(*BANNED, word))[0][0]
    assert word not in without.tokens
    # Not renormalised: the log-probability is the table's own.
    assert without.token_log_probs[0] == float(decoder.table[0, BOS, BOS, without.tokens[0]])


@pytest.mark.parametrize("beam", [1, 3])
def test_the_fused_step_is_used_and_changes_nothing(tables, top_tables, beam):
    plain, fused = tables.random(7), top_tables.random(7)
    options = {"beam": beam, "nbest": beam, "max_length": [9, 3, 12, 6]}
    assert search(fused, range(4), **options) == search(plain, range(4), **options)


@pytest.mark.parametrize("beam", [1, 3])
def test_a_sentence_without_any_possible_output_answers_nothing(tables, beam):
    decoder = tables(torch.full((2, 6, 6, 6), -math.inf))
    assert search(decoder, [0, 1], beam=beam) == [[], []]


@pytest.mark.parametrize("beam", [1, 3])
def test_no_sentences_no_answers(tables, beam):
    assert search(tables.random(0), torch.zeros(0, dtype=torch.int64), beam=beam, max_length=[]) == []


@pytest.mark.parametrize("beam", [1, 3])
def test_numbers_that_are_none_are_an_error(tables, beam):
    with pytest.raises(RunError, match="not numbers at step 1"):
        search(tables(torch.full((1, 6, 6, 6), math.nan)), [0], beam=beam)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"beam": 0}, "beam 0"),
        ({"beam": 2, "nbest": 3}, "nbest 3 is not possible with beam 2"),
        ({"nbest": 0}, "nbest 0"),
        ({"length_penalty": -0.1}, "length_penalty -0.1"),
        ({"length_penalty": math.nan}, "length_penalty nan"),
        ({"max_length": 0}, "max_length 0"),
        ({"max_length": 3, "min_length": 4}, "max_length 3 is below 4"),
        ({"min_length": -1}, "min_length -1"),
        ({"banned": (PAD, EOS)}, "eos is banned"),
    ],
)
def test_impossible_options_are_named(tables, options, says):
    with pytest.raises(UserError, match=says):
        search(tables.random(0), [0], **options)
