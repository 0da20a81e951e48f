"""``unrolled new caption``: look at captions and pictures, and write a recipe that fits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from unrolled.errors import UserError, counted
from unrolled.tasks.look import named, toml
from unrolled.text.captions import read_captions, read_names


def caption(paths: Sequence[Path]) -> str:
    """The text of a recipe for a captions file, the folder of its pictures and, if you like, files of names.

    Names of pictures, one a line, are a part's by their file's name: ``train``, ``dev`` or ``val``, ``test``.

    Raises:
        UserError: other files, or captions that cannot be read.
    """
    folders = [path for path in paths if path.is_dir()]
    files = [path for path in paths if not path.is_dir()]
    parts = {part: path for path in files[1:] if (part := _part(path))}
    if len(folders) != 1 or not files or len(parts) != len(files) - 1:
        raise UserError(
            "caption needs a captions file, the folder of the pictures and, if you like, files of their names"
            " called after train, dev (or val) and test"
        )
    records = list(read_captions(files[0]))
    if not records:
        raise UserError(f"{files[0]}: no captions")
    captions = Counter(record.fields[0] for record in records)
    words = Counter(word for record in records for word in record.fields[1].lower().split())
    often = sum(count >= 5 for count in words.values())
    names = read_names(Path(parts["train"])) if "train" in parts else list(captions)
    total = len(captions.keys() & set(names))
    if total < 1 + sum(part not in parts for part in ("dev", "test")):
        raise UserError(
            f"{files[0]}: {counted(total, 'picture')} to learn from: too few to hold some out for dev and"
            " test; do the captions and the names name the same files?"
        )
    hidden = 512 if total >= 2_000 else 128
    if parts:
        if "train" not in parts:
            raise UserError("files of picture names: one of them must say which are for training (train)")
        origin = [
            f"captions = {toml(named(files[0]))}",
            *(f"{part} = {toml(named(path))}" for part, path in parts.items()),
        ]
    else:
        origin = [f"train = {toml(named(files[0]))}"]
    held_out = [
        f"{part}_size = {max(1, min(1000, total // 10))}" for part in ("dev", "test") if part not in parts
    ]
    lines = "\n".join(origin + held_out)
    return f"""\
# A captioner for {total:,} pictures with {len(records):,} captions, for example
#   {toml(records[0].fields[1])}
# Every other setting has a default; `unrolled train` writes all of them into the run's recipe.toml.
task = "caption"

[data]
images = {toml(named(folders[0]))}
# dev chooses the best weights, test is reported; no picture is in two parts.
{lines}
punctuation = "remove"

[pictures]
encoder = "efficientnet-lite0"  # trained on ImageNet; its vectors are computed once and kept
size = 224

[text]
kind = "word"  # {len(words):,} distinct words, {often:,} of them seen five times or more
lowercase = true
min_count = {5 if often >= 500 else 1}

[model]
cell = "lstm"
embedding_size = {hidden // 2}
hidden_size = {hidden}
attention = "bahdanau"
score = "additive"
doubly_stochastic = 0.5
tie = "target"
embedding_dropout = 0.2
context_dropout = 0.2
readout_dropout = 0.4
label_smoothing = 0.1

[training]
epochs = {15 if total >= 2_000 else 60}
batch_tokens = 1000
optimizer = "adamw"
learning_rate = 0.002
weight_decay = 0.0001
clip_norm = 1.0
schedule = "cosine"
warmup = {200 if total >= 2_000 else 20}

[decoding]
beam = 5

[metrics]
lowercase = true
"""


def _part(path: Path) -> str | None:
    name = path.stem.lower()
    return next((part for part, keys in _KEYS.items() if any(key in name for key in keys)), None)


_KEYS: dict[str, Iterable[str]] = {"train": ("train",), "dev": ("dev", "val"), "test": ("test",)}
