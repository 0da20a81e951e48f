"""Word vectors for TensorBoard's projector: a folder to point it at, or two files for its web page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unrolled.files import writing
from unrolled.text.vectors import Matrix

VECTORS, WORDS, CONFIGURATION = "vectors.tsv", "words.tsv", "projector_config.pbtxt"


def write_projector(folder: str | Path, words: Sequence[str], matrix: Matrix) -> None:
    """Write the numbers, the words, and the configuration that names both.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / VECTORS).open("w", encoding="utf-8") as file:
            file.writelines("\t".join(f"{number:.9g}" for number in row.tolist()) + "\n" for row in matrix)
        with (folder / WORDS).open("w", encoding="utf-8") as file:
            file.writelines(f"{word}\n" for word in words)
        named = f'embeddings {{\n  tensor_path: "{VECTORS}"\n  metadata_path: "{WORDS}"\n}}\n'
        (folder / CONFIGURATION).write_text(named, encoding="utf-8")
