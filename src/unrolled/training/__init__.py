"""From a recipe to weights: the one loop and what belongs to it."""

from unrolled.training.interruption import Interrupted
from unrolled.training.train import train

__all__ = ["Interrupted", "train"]
