"""Jobs: strings in, strings out. See :mod:`unrolled.tasks.task` for what a task is."""

from unrolled.tasks.registry import find, names, register
from unrolled.tasks.task import Batch, Example, Loss, Prediction, Predictor, Sections, SelfLearning, Task

__all__ = [
    "Batch",
    "Example",
    "Loss",
    "Prediction",
    "Predictor",
    "Sections",
    "SelfLearning",
    "Task",
    "find",
    "names",
    "register",
]
