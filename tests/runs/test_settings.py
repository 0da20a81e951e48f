from __future__ import annotations

import pytest
from pydantic import ValidationError

from unrolled.runs.settings import Interval, TrainingSettings


@pytest.mark.parametrize(
    ("value", "interval"),
    [
        ("500 updates", Interval(500, "update")),
        ("1 update", Interval(1, "update")),
        ("1 epoch", Interval(1, "epoch")),
        ("3 epochs", Interval(3, "epoch")),
        (200, Interval(200, "update")),
        (0, None),
    ],
)
def test_how_often_to_validate(value: str | int, interval: Interval | None) -> None:
    assert TrainingSettings(updates=1, validate_every=value).validation == interval


@pytest.mark.parametrize("value", ["0 epochs", "-1 epoch", "1.5 epochs", "epoch", "5 minutes", True, -3, 2.5])
def test_an_interval_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match='"500 updates" or "1 epoch"'):
        TrainingSettings(updates=1, validate_every=value)  # type: ignore[arg-type]


def test_an_end_is_asked_for_and_never_a_time() -> None:
    with pytest.raises(ValidationError, match="how long"):
        TrainingSettings()
    assert not [name for name in TrainingSettings.model_fields if "minute" in name or "hour" in name]


def test_betas_are_shares() -> None:
    with pytest.raises(ValidationError, match="below 1"):
        TrainingSettings(updates=1, betas=(0.9, 1.0))


def test_every_key_says_what_it_is_and_toml_can_write_its_default() -> None:
    for name, field in TrainingSettings.model_fields.items():
        assert field.description, name
    # TOML has no null: what may be None must be None by default, so that leaving it out says it.
    for name, field in TrainingSettings.model_fields.items():
        assert field.default is None or "None" not in str(field.annotation) or name == "validate_every"


def test_only_stopping_logging_and_saving_may_change_on_resume() -> None:
    free = {
        name
        for name, field in TrainingSettings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("may_change")
    }
    assert free == {
        *("updates", "epochs", "patience"),
        *("log_every", "tensorboard"),
        *("checkpoint_seconds", "checkpoint_updates", "keep"),
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"learning_rate": 1e-5, "minimum_learning_rate": 1e-4}, "0.0001 is above learning_rate 1e-05"),
        ({"validate_every": 0, "patience": 3}, "patience = 3 follows validations"),
        ({"averaging": "sgd-average", "patience": 5}, "patience 5 ends training before average_trigger 5"),
        ({"validate_every": 0, "schedule": "plateau"}, "schedule = 'plateau' follows validations"),
        ({"validate_every": 0, "averaging": "checkpoints"}, "averaging = 'checkpoints' follows validations"),
    ],
)
def test_settings_that_would_do_nothing(settings, says):
    with pytest.raises(ValidationError, match=says):
        TrainingSettings.model_validate({"updates": 1, **settings})
