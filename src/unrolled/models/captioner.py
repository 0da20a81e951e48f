"""A picture in, a sentence out (Vinyals et al. 2015, Xu et al. 2015): the same decoder, over regions."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from unrolled.models.decoder import Decoder
from unrolled.models.encoder import Encoded
from unrolled.models.encoder_decoder import ReaderWriter
from unrolled.models.settings import CaptionerSettings
from unrolled.nn.dropout import Dropout


class Regions(nn.Module):
    """A picture's region vectors, made ready for a decoder: projected, and dropped out.

    Args:
        size: features of a region.
        network: where it is trained too, what makes of pixels ``(batch, height, width, 3)`` a map of regions
            ``(batch, features, rows, columns)``; not given, the regions themselves come in.

    Attributes:
        feature_size: features of :attr:`Encoded.output`.
    """

    _precision: Tensor

    def __init__(self, settings: CaptionerSettings, size: int, network: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.project = nn.Linear(size, settings.region_size) if settings.region_size else None
        self.dropout = Dropout(settings.context_dropout)
        self.register_buffer("_precision", torch.zeros(()), persistent=False)  # regions come in half of it
        self.feature_size = settings.region_size or size

    def forward(
        self, source: Shaped[Tensor, "source batch features"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Regions ``(regions, batch, size)``, zero past each length; or the pixels of square pictures,
        ``(side · side, batch, 3)``."""
        if self.network is not None:
            side = round(len(source) ** 0.5)
            maps = self.network(source.transpose(0, 1).unflatten(1, (side, side)))
            source = maps.flatten(2).permute(2, 0, 1)
            lengths = lengths.new_full(lengths.shape, len(source))
        source = source.to(self._precision)
        if self.project is not None:
            source = self.project(source)
            past = torch.arange(len(source), device=source.device)[:, None] >= lengths
            source = source.masked_fill(past[..., None], 0)  # the projection's bias
        return Encoded(self.dropout(source), None, lengths)


class Captioner(ReaderWriter):
    """The regions of a picture, and a decoder over them.

    Args:
        region_size: features of a region's vector.
        vocabulary: words it can write.
        network: as for :class:`Regions`.
    """

    encoder: Regions

    def __init__(
        self,
        settings: CaptionerSettings,
        region_size: int,
        vocabulary: int,
        network: nn.Module | None = None,
        *,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Regions(settings, region_size, network)
        self.decoder = Decoder(settings, vocabulary, self.encoder.feature_size, None, padding=padding)
