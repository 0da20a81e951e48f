"""What is kept of a training: its recipe, its folder, its checkpoints; and how it is put to use again."""

from unrolled.runs.average import average
from unrolled.runs.folder import RunFolder
from unrolled.runs.load import load
from unrolled.runs.recipe import Recipe
from unrolled.runs.settings import MAY_CHANGE, TrainingSettings

__all__ = ["MAY_CHANGE", "Recipe", "RunFolder", "TrainingSettings", "average", "load"]
