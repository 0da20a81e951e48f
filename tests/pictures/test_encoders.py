from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_torch
from torch import nn

pytest.importorskip("PIL", reason="pictures need the extra `caption`")

from PIL import Image

from unrolled.pictures import BadPicture, Network, PictureSettings, Pixels, Precomputed, make_encoder
from unrolled.pictures.encoders import Frozen


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def means(grid: int | None = None) -> Network:
    return Network("means", nn.AvgPool2d(32), 3, (0.0,) * 3, (1.0,) * 3, grid)


def test_regions_go_row_by_row(quarters: Image.Image, encoded: Callable[..., bytes]) -> None:
    encoder = Frozen(means(), 96)
    (found,) = encoder.encode([encoder.read(encoded(quarters), "x")])
    assert (found.rows, found.columns, found.vectors.dtype) == (2, 3, np.float16)
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    np.testing.assert_allclose(found.vectors[[0, 2, 3, 5]], colours, atol=2)  # resizing blurs borders


def test_pictures_of_several_shapes_keep_their_order() -> None:
    encoder = Frozen(means(), 64)
    colours = range(0, 200, 20)
    shapes = [(32, 64), (64, 64), (64, 32)]
    pictures = [np.full((*shapes[c % 3], 3), c, dtype=np.uint8) for c in colours]
    for colour, found in zip(colours, encoder.encode(pictures), strict=True):
        assert (32 * found.rows, 32 * found.columns) == shapes[colour % 3]
        assert (found.vectors == colour).all()


def test_the_name_tells_apart_what_gives_other_vectors() -> None:
    names = {Frozen(means(grid), size).name for grid in (None, 1, 2) for size in (64, 96)}
    assert len(names | {Pixels(64).name, Pixels(96).name, Precomputed(3).name}) == 9


@pytest.mark.parametrize(("shape", "grid"), [((4,), (1, 1)), ((6, 4), (1, 6)), ((2, 3, 4), (2, 3))])
def test_precomputed_vectors(shape: tuple[int, ...], grid: tuple[int, int]) -> None:
    vectors = np.random.default_rng(1).random(shape).astype(np.float32)
    encoder = Precomputed(4)
    for data, path in ((npy(vectors), "a.npy"), (save({"any": vectors}), "a.safetensors")):
        (found,) = encoder.encode([encoder.read(data, path)])
        assert (found.rows, found.columns) == grid
        assert (found.vectors == vectors.reshape(-1, 4).astype(np.float16)).all()


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (npy(np.zeros((2, 5))), "a.npy", r"a\.npy: vectors of shape \(2, 5\)"),
        (npy(np.zeros((1, 2, 3, 4))), "a.npy", "shape"),
        (npy(np.zeros((0, 4))), "a.npy", "shape"),
        (npy(np.array([1.0, np.nan, 0, 0])), "a.npy", "not finite"),
        (npy(np.full(4, 1e6)), "a.npy", "not finite"),
        (npy(np.zeros(4, dtype=np.int64)), "a.npy", "floating-point"),
        (npy(np.zeros((9, 4)))[:80], "a.npy", "damaged"),
        (b"", "a.npy", "damaged"),
        (save_torch({"any": torch.zeros(4, dtype=torch.bfloat16)}), "a.safetensors", "NumPy does not have"),
        (b"nonsense", "a.safetensors", "damaged"),
        (save({"a": np.zeros(4), "b": np.zeros(4)}), "a.safetensors", "holds 2 tensors"),
        (npy(np.array([{}], dtype=object)), "a.npy", "damaged"),  # a pickle is never opened
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_vectors_that_cannot_be_used_are_named(data: bytes, path: str, message: str) -> None:
    with pytest.raises(BadPicture, match=message):
        Precomputed(4).read(data, path)


def test_pixels_are_kept_as_they_are(quarters: Image.Image, encoded: Callable[..., bytes]) -> None:
    encoder = Pixels(96)
    pixels = encoder.read(encoded(quarters), "x")
    (found,) = encoder.encode([pixels])
    assert (found.rows, found.columns, found.vectors.shape) == (96, 96, (96 * 96, 3))
    assert (found.vectors.reshape(96, 96, 3) == pixels).all()


def test_what_a_recipe_describes() -> None:
    assert isinstance(make_encoder(PictureSettings(encoder="precomputed", feature_size=7)), Precomputed)
    assert isinstance(make_encoder(PictureSettings(fine_tune=True)), Pixels)
    pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra `caption`")
    encoder = make_encoder(PictureSettings(size=64))
    assert encoder.name == "efficientnet-lite0, 64 a side"
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    (found,) = encoder.encode([picture])
    assert found.vectors.shape == (4, 1280)
    assert torch.is_grad_enabled()
