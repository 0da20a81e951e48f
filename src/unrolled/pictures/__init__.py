"""Files in, region vectors out: reading pictures, encoding them, keeping what was computed.

Pillow and the ImageNet-trained encoder come with the extra ``caption``; they are imported when needed.
"""

from unrolled.pictures.encoders import Encoder, Network, Pixels, Precomputed, Regions, make_encoder
from unrolled.pictures.reading import BadPicture, fit, read_picture
from unrolled.pictures.settings import STRIDE, PictureSettings
from unrolled.pictures.store import FeatureStore

__all__ = [
    "STRIDE",
    "BadPicture",
    "Encoder",
    "FeatureStore",
    "Network",
    "PictureSettings",
    "Pixels",
    "Precomputed",
    "Regions",
    "fit",
    "make_encoder",
    "read_picture",
]
