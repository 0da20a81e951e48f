from __future__ import annotations

import pytest
import torch

from unrolled.decoding import DecodingSettings, Sampling, beam_search, sample, search
from unrolled.errors import UserError

PAD, UNK, BOS, EOS = 0, 1, 2, 3


def test_search_does_what_the_settings_say(tables):
    decoder = tables.random(0)
    settings = DecodingSettings(
        beam=4, length_penalty=1.0, nbest=2, min_length=3, length_factor=1.5, length_offset=2
    )
    found = search(
        decoder, torch.arange(4), settings, source_lengths=[1, 2, 3, 0], bos=BOS, eos=EOS, banned=[PAD]
    )
    assert found == beam_search(
        decoder,
        torch.arange(4),
        beam=4,
        length_penalty=1.0,
        nbest=2,
        min_length=3,
        max_length=[3, 5, 6, 3],
        bos=BOS,
        eos=EOS,
        banned=[PAD],
    )


def test_search_draws_where_samples_are_asked_for(tables):
    decoder, where = tables.random(0), {"source_lengths": [1, 2, 3], "bos": BOS, "eos": EOS, "banned": [PAD]}
    settings = DecodingSettings(samples=4, temperature=0.8, top_k=5, seed=7, max_length=6)
    found = search(decoder, torch.arange(3), settings, **where)
    drawn = sample(
        decoder,
        torch.arange(3),
        samples=4,
        sampling=Sampling(0.8, top_k=5),
        seed=7,
        max_length=6,
        bos=BOS,
        eos=EOS,
        banned=[PAD],
    )
    assert [sorted(each.tokens for each in some) for some in found] == [
        sorted(each.tokens for each in some) for some in drawn
    ]
    for some in found:
        assert [each.score for each in some] == sorted((each.score for each in some), reverse=True)
        assert all(
            each.score == pytest.approx(each.log_prob / len(each.token_log_probs) ** 0.7) for each in some
        )
    assert found == search(decoder, torch.arange(3), settings, **where)
    assert found != search(decoder, torch.arange(3), settings.updated(seed=8), **where)


def test_what_is_said_of_drawing_draws():
    settings = DecodingSettings(nbest=3)
    assert settings.updated(temperature=0.5).samples == 1
    assert settings.updated(temperature=0.5, samples=4).samples == 4
    assert settings.updated(samples=4).nbest == 1
    assert settings.updated(seed=4).samples == 0
    assert [settings.updated(**o).several for o in ({}, {"top_p": 0.5}, {"samples": 2})] == [
        True,
        False,
        True,
    ]


def test_lengths_are_bounded_by_the_source_and_absolutely():
    assert DecodingSettings().longest([0, 5, 50]) == [10, 20, 110]
    assert DecodingSettings(max_length=15).longest([0, 5, 50]) == [10, 15, 15]
    assert DecodingSettings(min_length=12).longest([0, 5]) == [12, 20]


def test_options_change_settings_and_leave_the_others():
    settings = DecodingSettings(beam=5, length_penalty=0.2)
    assert settings.updated(beam=7) == DecodingSettings(beam=7, length_penalty=0.2)
    assert settings.updated() == settings
    assert settings.updated(replace_unknown=True).allow_unknown
    assert not settings.updated(replace_unknown=True, allow_unknown=False).allow_unknown


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"beam": 0}, "beam 0 is not possible"),
        ({"beam": "three"}, "beam 'three' is not possible"),
        ({"length_penalty": -1}, "length_penalty -1 is not possible"),
        ({"length_penalty": 1e4}, "length_penalty 10000.0 is not possible"),
        ({"nbest": 4}, "nbest 4 is not possible with beam 3"),
        ({"max_length": 3, "min_length": 4}, "max_length 3 is below min_length 4"),
        ({"samples": 2, "nbest": 2}, "nbest is of a search, and with samples outputs are drawn"),
        ({"top_p": 0}, "top_p 0 is not possible"),
        ({"length_penality": 1}, "did you mean 'length_penalty'"),
    ],
)
def test_impossible_options_are_named(options, says):
    with pytest.raises(UserError, match=says):
        DecodingSettings().updated(**options)


def test_every_setting_is_described():
    assert all(field.description for field in DecodingSettings.model_fields.values())


def test_a_search_and_drawing_exclude_each_other():
    settings = DecodingSettings(samples=2)
    for options in ({"beam": 5, "samples": 3}, {"nbest": 2, "temperature": 0.5}, {"beam": 5, "top_p": 0.9}):
        with pytest.raises(UserError, match="is of a search, and with"):
            settings.updated(**options)
    assert settings.updated(beam=5, nbest=3).samples == 0
    assert settings.updated(beam=5, temperature=0.5, samples=0).samples == 0
