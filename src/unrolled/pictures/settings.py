"""The ``[pictures]`` section of a recipe: what turns a picture into vectors."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

STRIDE = 32
"""Pixels between two regions of an encoder: five halvings, as ImageNet's networks have."""


class PictureSettings(BaseModel):
    """Which network looks at a picture, and at what size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str = Field(
        "efficientnet-lite0",
        description="efficientnet-lite0 (trained on ImageNet, comes with the extra caption, works offline);"
        ' timm:NAME where timm is installed, such as "timm:resnet50"; precomputed: the files are vectors,'
        " .npy or .safetensors, of shape (features,), (regions, features) or (rows, columns, features)",
    )
    size: int = Field(
        224,
        ge=STRIDE,
        multiple_of=STRIDE,
        description="pixels of a picture's longest side as the encoder sees it; the aspect is kept",
    )
    grid: int | None = Field(
        None,
        ge=1,
        description="most rows and columns of regions, averaged down to it; 1: one vector a picture; not set:"
        " as many as the encoder has",
    )
    feature_size: int | None = Field(
        None, ge=1, description="precomputed: features of a vector in the files; the networks know theirs"
    )
    fine_tune: bool = Field(
        False,
        description="train the encoder too; otherwise its vectors are computed once and kept in the cache",
    )

    fine_tune_rate: float = Field(
        0.05, gt=0, description="fine_tune: share of the learning rate that the encoder is trained with"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        precomputed = self.encoder == "precomputed"
        if precomputed and self.feature_size is None:
            raise ValueError("feature_size: precomputed vectors need it: how many features has a vector?")
        if not precomputed and self.feature_size is not None:
            raise ValueError("feature_size: only precomputed vectors need it; a network knows its own")
        if precomputed and self.fine_tune:
            raise ValueError("fine_tune: precomputed vectors have no network to train")
        return self
