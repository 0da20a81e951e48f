from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from unrolled.models import DecoderSettings, EncoderDecoderSettings


def test_every_setting_says_what_it_is():
    for name, field in EncoderDecoderSettings.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_unknown_keys_and_values_are_refused():
    with pytest.raises(ValidationError, match="hiden_size"):
        EncoderDecoderSettings(hiden_size=3)
    with pytest.raises(ValidationError, match="attention"):
        EncoderDecoderSettings(attention="luongs")
    with pytest.raises(ValidationError, match="layer_dropout"):
        EncoderDecoderSettings(layer_dropout=1.0)


def test_a_mistyped_cell_is_found_before_any_data_is_read():
    with pytest.raises(ValidationError, match="did you mean 'gru'"):
        DecoderSettings(cell="grru")
    with pytest.raises(ValidationError, match="did you mean 'reset'"):
        DecoderSettings(cell="gru", cell_options={"rset": "after"})
    with pytest.raises(ValidationError, match="reset='sometimes'"):
        DecoderSettings(cell="gru", cell_options={"reset": "sometimes"})


def test_checking_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    DecoderSettings(cell="gru")
    assert torch.equal(torch.get_rng_state(), before)


def test_what_cannot_go_together_is_refused():
    with pytest.raises(ValidationError, match="know nothing of the source"):
        DecoderSettings(attention="none", bridge="zero")
    with pytest.raises(ValidationError, match="embedding_size, 256"):
        DecoderSettings(tie="target", readout_size=100)
    with pytest.raises(ValidationError, match=r"attention_size: .*leave it out"):
        DecoderSettings(attention_size=100)
    with pytest.raises(ValidationError, match=r"score: .*200 features, by encoder_size"):
        EncoderDecoderSettings(score="dot", encoder_size=100)
    assert EncoderDecoderSettings(score="dot", attention_size=256)
    assert DecoderSettings(attention="none", score="dot", attention_size=100)
    with pytest.raises(ValidationError, match="is odd"):
        EncoderDecoderSettings(hidden_size=7)


def test_both_directions_together_are_as_wide_as_the_decoder():
    assert EncoderDecoderSettings(hidden_size=512).direction_size == 256
    assert EncoderDecoderSettings(hidden_size=512, bidirectional=False).direction_size == 512
    assert EncoderDecoderSettings(hidden_size=512, encoder_size=100).direction_size == 100
