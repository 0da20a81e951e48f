"""``unrolled new language-model``."""

from collections.abc import Sequence
from pathlib import Path


def language_model(paths: Sequence[Path]) -> str:
    return ""
