"""``[model] embeddings``, for every task: what a model's table starts from, word vectors of a file or learnt
from the training texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled import embeddings
from unrolled.errors import UserError
from unrolled.nn.embedding import Embedding
from unrolled.text import Tokenizer, vectors
from unrolled.text.pretrained import look_up

if TYPE_CHECKING:
    from unrolled.tasks.task import Task

OWN = "skip-gram"
"""In the place of a file: vectors of the training texts."""


def check(sections: Any, *keys: str) -> None:
    """Look at the files under these keys of ``[model]`` before anything long begins.

    Raises:
        UserError: one is missing, no vector file, or of another size than the model's table.
    """
    for key in keys:
        path = _path(sections, key)
        if path is None:
            continue
        if path.is_dir():
            raise UserError(
                f"{path}: is a folder, and model.{key} takes a file of vectors: a run's are written by"
                f" unrolled embed export {path} vectors.txt"
            )
        size, wanted = vectors.layout(path).size, sections.model.embedding_size
        if size != wanted:
            raise UserError(
                f"{path}: has vectors of {size} numbers, but model.embedding_size is {wanted}: set it to"
                f" {size}"
            )


def fill(
    task: Task,
    key: str,
    table: Embedding,
    tokenizer: Tokenizer,
    rows: Iterable[NDArray[np.integer]],
    say: Callable[[str], None],
) -> None:
    """Fill the table's rows with the vectors of the file under ``key``, and say what share it has; or with
    those learnt from ``rows``, the training texts as the table's ids.

    Raises:
        UserError: as :func:`unrolled.text.vectors.iterate`; or the file has none of the words.
    """
    first = tokenizer.eos + 1
    if getattr(task.sections.model, key) == OWN:
        say(f"model.{key}: learning the words' vectors from the training texts")
        texts = (row[row >= first] - first for row in rows)
        own = embeddings.skip_gram(texts, table.size - first, table.features, task.folder / "cache" / key)
        table.load_rows(torch.arange(first, table.size), torch.from_numpy(own))
        return
    path = _path(task.sections, key)
    if path is None:
        return
    found = look_up(path, tokenizer.vocabulary)
    words = len(tokenizer.vocabulary) - first
    known = int((found.ids > tokenizer.eos).sum())
    if not known:
        raise UserError(
            f"{path}: has none of the {words:,} words of the vocabulary: does it hold words in the form that"
            " [text] gives them?"
        )
    table.load_rows(torch.from_numpy(found.ids), torch.from_numpy(found.vectors))
    lowered = f" ({found.lowered:,} in lower case alone)" if found.lowered else ""
    kept = "tuned" if table.weight.requires_grad else "frozen"
    say(f"{path}: has {known:,} of {words:,} words, {known / words:.1%}{lowered}; {kept}")


def _path(sections: Any, key: str) -> Path | None:
    name = getattr(sections.model, key)
    return None if name in (None, OWN) else Path(sections.data.path(name))
