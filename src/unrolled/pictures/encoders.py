"""What turns pictures into region vectors: an ImageNet-trained network, or files made elsewhere."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from unrolled.pictures.networks import Network, make_network
from unrolled.pictures.reading import BadPicture, fit, read_picture
from unrolled.pictures.settings import STRIDE, PictureSettings

TOGETHER = 4
"""Pictures that go through the network at once: what lies between its layers then stays in the cache."""


@dataclass(frozen=True)
class Regions:
    """A picture as vectors, its regions row by row; its length is their number.

    Attributes:
        vectors: ``(rows · columns, features)``.
    """

    vectors: Shaped[np.ndarray, "regions features"]
    rows: int
    columns: int

    def __len__(self) -> int:
        return len(self.vectors)


class Encoder(ABC):
    """Files to regions, in two steps: a file is read by itself, and what was read is encoded together.

    Attributes:
        name: what the vectors depend on beside the file: vectors of one name are interchangeable.
        feature_size: features of a region.
        dtype: what they are kept as.
    """

    name: str
    feature_size: int
    dtype: ClassVar[DTypeLike] = np.float16

    @abstractmethod
    def read(self, data: bytes, path: str | Path) -> NDArray[Any]:
        """A file's content, checked, as :meth:`encode` takes it.

        Raises:
            BadPicture: it is none that can be used.
        """

    @abstractmethod
    def encode(self, pictures: Sequence[NDArray[Any]]) -> list[Regions]:
        """The regions of what :meth:`read` gave."""


class Precomputed(Encoder):
    """Vectors from files: ``.npy``, or ``.safetensors`` with one tensor.

    Their shape is ``(features,)``, ``(regions, features)`` or ``(rows, columns, features)``.
    """

    def __init__(self, feature_size: int) -> None:
        self.feature_size = feature_size
        self.name = f"precomputed, {feature_size} features"

    def read(self, data: bytes, path: str | Path) -> NDArray[Any]:
        vectors = _array(data, path)
        if not 1 <= vectors.ndim <= 3 or vectors.shape[-1] != self.feature_size or vectors.size == 0:
            raise BadPicture(
                f"{path}: vectors of shape {vectors.shape}; ([[rows,] regions,] {self.feature_size}) is"
                " wanted, the last being pictures.feature_size"
            )
        if not np.isfinite(vectors.astype(self.dtype)).all():
            raise BadPicture(f"{path}: holds numbers that are not finite in half precision")
        return vectors

    def encode(self, pictures: Sequence[NDArray[Any]]) -> list[Regions]:
        found = []
        for vectors in pictures:
            rows, columns = (1, 1, *vectors.shape[:-1])[-2:]
            found.append(Regions(vectors.reshape(rows * columns, -1).astype(self.dtype), rows, columns))
        return found


class Pixels(Encoder):
    """Pictures at the size a network sees them, undecided: what is kept where the network is trained too.

    All have one shape; a "region" is a pixel, its features red, green and blue.
    """

    feature_size = 3
    dtype = np.uint8

    def __init__(self, size: int) -> None:
        self.size = size
        self.name = f"pixels, {size} a side"

    def read(self, data: bytes, path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
        return fit(read_picture(data, path, size=self.size), self.size, STRIDE, square=True)

    def encode(self, pictures: Sequence[NDArray[Any]]) -> list[Regions]:
        return [Regions(each.reshape(-1, 3), *each.shape[:2]) for each in pictures]


class Frozen(Encoder):
    """A network's regions, the network left as it is."""

    def __init__(self, network: Network, size: int) -> None:
        self.network = network.eval().requires_grad_(False)
        self.size = size
        self.feature_size = network.feature_size
        self.name = f"{network.name}, {size} a side" + (f", grid {network.grid}" if network.grid else "")

    def read(self, data: bytes, path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
        return fit(read_picture(data, path, size=self.size), self.size, STRIDE)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[NDArray[Any]]) -> list[Regions]:
        found: dict[int, Regions] = {}
        alike: dict[tuple[int, ...], list[int]] = {}
        for index, picture in enumerate(pictures):
            alike.setdefault(picture.shape, []).append(index)
        for indices in alike.values():
            for start in range(0, len(indices), TOGETHER):
                some = indices[start : start + TOGETHER]
                pixels = torch.from_numpy(np.stack([pictures[index] for index in some]))
                maps = self.network(pixels).cpu()
                for index, each in zip(some, maps, strict=True):
                    vectors = each.flatten(1).T.contiguous().numpy().astype(self.dtype)
                    found[index] = Regions(vectors, *each.shape[1:])
        return [found[index] for index in range(len(pictures))]


def make_encoder(settings: PictureSettings) -> Encoder:
    """What a recipe's ``[pictures]`` describes.

    Raises:
        UserError: a package it needs is missing, or there is no such network.
    """
    if settings.encoder == "precomputed":
        assert settings.feature_size is not None
        return Precomputed(settings.feature_size)
    if settings.fine_tune:
        return Pixels(settings.size)
    return Frozen(make_network(settings), settings.size)


def _array(data: bytes, path: str | Path) -> NDArray[Any]:
    try:
        if Path(path).suffix == ".safetensors":
            tensors = load_safetensors(data)
            if len(tensors) != 1:
                raise BadPicture(f"{path}: holds {len(tensors)} tensors; one is wanted")
            (array,) = tensors.values()
        else:
            array = np.load(io.BytesIO(data), allow_pickle=False)
    except KeyError as error:
        raise BadPicture(
            f"{path}: holds numbers that NumPy does not have ({error}): save float16 or float32"
        ) from None
    except (SafetensorError, ValueError, OSError, EOFError) as error:
        raise BadPicture(f"{path}: no .npy or .safetensors file, or damaged ({error})") from None
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        raise BadPicture(f"{path}: holds no floating-point numbers")
    return array
