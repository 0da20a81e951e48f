"""The ``[training]`` section of a recipe: what a run records of how it was trained."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAY_CHANGE: dict[str, Any] = {"may_change": True}
"""Marks a field that may differ when a run is resumed: ``Field(…, json_schema_extra=MAY_CHANGE)``.

Such a field says when to stop, what to log or how often to save; it never changes what an update computes.
"""


class Interval(NamedTuple):
    """How often: every ``number`` updates or epochs."""

    number: int
    unit: Literal["update", "epoch"]


class TrainingSettings(BaseModel):
    """How a model is trained. Budgets are updates or epochs: a stop by the clock could not be reproduced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(1, ge=0, lt=2**63, description="every random choice is drawn from it")
    updates: int | None = Field(
        None, ge=1, description="stop after so many updates", json_schema_extra=MAY_CHANGE
    )
    epochs: int | None = Field(
        None, ge=1, description="stop after so many passes over the data", json_schema_extra=MAY_CHANGE
    )
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one update")
    start_from: str | None = Field(
        None,
        description="run folder whose weights and tokenizers training starts from (from the current folder)",
    )
    precision: Literal["float32", "bfloat16", "float64"] = Field(
        "float32", description="bfloat16: autocast, on a GPU; weights stay float32"
    )

    optimizer: Literal["sgd", "adam", "adamw"] = Field("adam", description="sgd, adam, adamw")
    learning_rate: float = Field(1e-3, gt=0, description="its highest value, reached after warm-up")
    betas: tuple[float, float] = Field((0.9, 0.999), description="adam, adamw: decay of the two moments")
    epsilon: float = Field(1e-8, gt=0, description="adam, adamw: added to the denominator")
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd: share of the last step that is kept")
    weight_decay: float = Field(0.0, ge=0, description="pull of the weights towards zero")
    clip_norm: float | None = Field(
        None, gt=0, description="longest gradient, over all weights together; not set: no limit"
    )
    clip_value: float | None = Field(
        None, gt=0, description="largest entry of a gradient; not set: no limit; applied before clip_norm"
    )

    schedule: Literal["constant", "plateau", "cosine", "linear", "inverse-sqrt"] = Field(
        "constant", description="how the learning rate goes on after warm-up"
    )
    warmup: int = Field(0, ge=0, description="updates over which the learning rate rises from zero")
    minimum_learning_rate: float = Field(0.0, ge=0, description="the schedule goes no lower")
    schedule_updates: int | None = Field(
        None,
        ge=1,
        description="cosine, linear: update at which the minimum is reached; not set: the planned end",
    )
    decay_factor: float = Field(0.5, gt=0, lt=1, description="plateau: factor on the learning rate")
    decay_patience: int = Field(2, ge=1, description="plateau: validations without improvement before it")

    validate_every: str | int = Field(
        "1 epoch", description='how often to score dev: "500 updates" or "1 epoch"; 0: never'
    )
    selection: str | None = Field(
        None, description="dev score that chooses the best weights; not set: the task's own"
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="stop after so many validations without improvement; not set: never",
        json_schema_extra=MAY_CHANGE,
    )
    averaging: Literal["none", "ema", "checkpoints", "sgd-average"] = Field(
        "none",
        description="weights that are scored and kept: ema, an exponential moving average; checkpoints, the"
        " mean of the last validations'; sgd-average, the mean since dev stopped improving",
    )
    average_decay: float = Field(
        0.999, gt=0, lt=1, description="ema: share of the average kept at each update"
    )
    average_last: int = Field(5, ge=1, description="checkpoints: how many validations are averaged")
    average_trigger: int = Field(
        5, ge=1, description="sgd-average: validations without improvement that start it"
    )

    checkpoint_seconds: float = Field(
        600.0, gt=0, description="save for resuming this often", json_schema_extra=MAY_CHANGE
    )
    checkpoint_updates: int | None = Field(
        None, ge=1, description="save after so many updates too", json_schema_extra=MAY_CHANGE
    )
    keep: int = Field(2, ge=2, description="checkpoints kept", json_schema_extra=MAY_CHANGE)
    log_every: int = Field(
        50, ge=1, description="updates between lines of log.jsonl", json_schema_extra=MAY_CHANGE
    )
    tensorboard: bool = Field(
        True, description="write TensorBoard events when its extra is installed", json_schema_extra=MAY_CHANGE
    )

    @field_validator("betas")
    @classmethod
    def _betas(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError("both must be at least 0 and below 1")
        return betas

    @field_validator("validate_every", mode="before")
    @classmethod
    def _interval(cls, value: object) -> object:
        if value == 0 and not isinstance(value, bool):
            return 0
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value} updates"
        if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]* (update|epoch)s?", value):
            raise ValueError('should look like "500 updates" or "1 epoch"; 0: never')
        return value

    @model_validator(mode="after")
    def _an_end(self) -> Self:
        if self.updates is None and self.epochs is None:
            raise ValueError("how long? give updates or epochs")
        return self

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.minimum_learning_rate > self.learning_rate:
            raise ValueError(
                f"minimum_learning_rate {self.minimum_learning_rate:g} is above learning_rate"
                f" {self.learning_rate:g}: lower it"
            )
        trigger = self.average_trigger
        if self.averaging == "sgd-average" and self.patience is not None and self.patience <= trigger:
            raise ValueError(
                f"patience {self.patience} ends training before average_trigger {trigger} begins to average:"
                " make it larger"
            )
        if self.validation is None:
            for key, value, known in (
                ("patience", self.patience, None),
                ("selection", self.selection, None),
                ("schedule", self.schedule == "plateau" and self.schedule, False),
                ("averaging", self.averaging in ("checkpoints", "sgd-average") and self.averaging, False),
            ):
                if value is not known:
                    raise ValueError(f"{key} = {value!r} follows validations: validate_every may not be 0")
        return self

    @property
    def validation(self) -> Interval | None:
        """:attr:`validate_every`, read; ``None``: never."""
        if not self.validate_every:
            return None
        number, unit = str(self.validate_every).split()
        return Interval(int(number), "epoch" if unit.startswith("epoch") else "update")
