"""``unrolled new classify`` and ``unrolled new tag``: settings that fit the labelled data that was seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import text
from unrolled.errors import UserError
from unrolled.metrics import schemes
from unrolled.tasks.look import named, toml

SAMPLE = 100_000
"""Examples looked at; more would not change the advice."""
_MOST_LABELS = 1000
_FEW_LABELS = 20
_HEADER = {"label", "labels", "class", "category", "sentiment", "target", "text", "sentence", "review"}
"""What the columns of labelled texts are called."""
_TAG = re.compile(r"O|[BIES]-.+")


def classify(paths: Sequence[Path]) -> str:
    """The text of a recipe for labelled texts: train, and dev and test where there are files of them.

    Raises:
        UserError: not one to three paths, or ones that cannot be read as labelled texts.
    """
    origins = _origins("classify", paths)
    form = _form(paths[0])
    data = text.LabelledData(train=origins["train"], **{name: value for name, (value, _) in form.items()})
    examples = list(islice(text.LabelledCorpus(data).read("train"), SAMPLE))
    labels = Counter(label for example in examples for label in example.labels)
    if len(labels) > min(_MOST_LABELS, max(2, len(examples) // 2)):
        raise UserError(
            f"{paths[0]}: {len(labels):,} different labels in {len(examples):,} texts: a line should be a"
            " label, a space and a text; or, in a .tsv, have a column for each"
        )
    if len(labels) > _FEW_LABELS and len(examples) < 10 * len(labels):
        raise UserError(
            f"{paths[0]}: {len(labels)} labels in {len(examples):,} texts, such as {_most(labels)}: is the"
            " first word of a line its label? Columns of words and tags are for unrolled new tag"
        )
    words = [example.text.split() for example in examples]
    lengths = np.array([len(each) for each in words])
    glued = sum(word[-1] in ".,;:!?" and len(word) > 1 for each in words for word in each)
    # Punctuation that sticks to words makes many rare ones; pieces of words have none.
    unbroken = sum(len(each) <= 1 for each in words) > 0.9 * len(words)
    kind = "character" if unbroken else "bpe" if glued > 0.03 * lengths.sum() else "word"
    if unbroken:
        lengths = np.array([len(example.text) for example in examples])
    unit = "characters" if unbroken else "words"
    longest = int(np.percentile(lengths, 98) * (1.4 if kind == "bpe" else 1)) + 1
    skewed = max(labels.values()) > 5 * min(labels.values())
    few = len(examples) < 20_000
    sample, held = examples[0].text[:80], _data(origins, len({example.text for example in examples}))
    extra = "".join(f"{name} = {toml(value)}{why and f'  # {why}'}\n" for name, (value, why) in form.items())
    return f"""\
# A classifier for {_number(examples)} texts with {len(labels)} labels: {_most(labels)}.
#   {lengths.mean():.1f} {unit} a text, {lengths.max():,} in the longest; for example {toml(sample)}
# Every other setting has a default; `unrolled train` writes all of them into the run's recipe.toml.
task = "classify"

[data]
{held}{extra}# Tokens of a training text that are kept; a text to answer is read whole.
max_length = {min(longest, 400)}

[text]
kind = "{kind}"
lowercase = true
{"size = 8000" if kind == "bpe" else "min_count = 2"}

[model]
cell = "lstm"
embedding_size = 128
hidden_size = 128
pooling = "max"
embedding_dropout = {0.5 if few else 0.3}
word_dropout = {0.2 if few else 0.1}
readout_dropout = 0.5

[training]
epochs = {10 if few else 5}
batch_tokens = {max(500, 16 * int(lengths.mean()))}
learning_rate = 0.002
clip_norm = 1.0
schedule = "cosine"
class_weights = "{"balanced" if skewed else "none"}"{"  # some labels are rare" if skewed else ""}
"""


def tag(paths: Sequence[Path]) -> str:
    """The text of a recipe for tagged sentences: train, and dev and test where there are files of them.

    Raises:
        UserError: not one to three paths, or ones that cannot be read as columns.
    """
    origins = _origins("tag", paths)
    corpus = text.TaggedCorpus(text.TaggedData(train=origins["train"]))
    examples = list(islice(corpus.read("train"), SAMPLE))
    tags = Counter(tag for example in examples for tag in example.tags)
    words = Counter(word for example in examples for word in example.words)
    if len(tags) > _MOST_LABELS:
        raise UserError(
            f"{paths[0]}: {len(tags):,} different tags, such as {next(iter(tags))!r}: the last column should"
            " hold the tag"
        )
    if len(examples) == 1 and len(tags) > len(examples[0].words) // 2 > _FEW_LABELS:
        raise UserError(
            f"{paths[0]}: one sentence with {len(tags)} different tags: a line should hold a word and its"
            " tag, and a blank line end a sentence"
        )
    scheme = _scheme([example.tags for example in examples])
    few = sum(words.values()) < 50_000
    spells = "how the tags spell spans" if scheme != "none" else "a tag a word"
    sample = [f"{word}/{tag}" for word, tag in zip(examples[0].words, examples[0].tags, strict=True)][:8]
    return f"""\
# A tagger for {_number(examples)} sentences of {len(words):,} distinct words with {len(tags)} tags:
#   {_most(tags)}; for example {toml(" ".join(sample))}
# Every other setting has a default; `unrolled train` writes all of them into the run's recipe.toml.
task = "tag"

[data]
{_data(origins, len({example.words for example in examples}))}scheme = "{scheme}"  # {spells}

[text.words]
lowercase = true
digits = true
min_count = 2

[model]
cell = "lstm"
embedding_size = 100
hidden_size = {64 if few else 128}
characters = "convolution"
output = "crf"
embedding_dropout = 0.4
word_dropout = 0.1
readout_dropout = 0.4

[training]
epochs = {30 if few else 12}
batch_tokens = 500
learning_rate = 0.002
clip_norm = 1.0
schedule = "cosine"
"""


def _origins(task: str, paths: Sequence[Path]) -> dict[str, str]:
    if not 1 <= len(paths) <= 3:
        raise UserError(f"{task} needs training data, and dev and test if there are: not {len(paths)} paths")
    parts = ("train", "dev", "test")
    return {part: named(path) for part, path in zip(parts, paths, strict=False)}


def _data(origins: dict[str, str], count: int) -> str:
    """Where the parts are; ``count`` distinct examples are there to be held out of."""
    lines = [f"{part} = {toml(path)}" for part, path in origins.items()]
    if count < 3 and len(origins) < 3:
        raise UserError(
            f"{origins['train']}: {count} different examples are too few to hold some out for dev and test"
        )
    held_out = max(1, min(2000, count // 10))
    lines += [
        f"{part}_size = {held_out}  # held out of train: {why}"
        for part, why in (("dev", "it chooses the best weights"), ("test", "it is reported"))
        if part not in origins
    ]
    return "".join(f"{line}\n" for line in lines)


def _form(path: Path) -> dict[str, tuple[Any, str]]:
    """How a file of labelled texts is to be read, where its ending does not say, and why so."""
    if not path.is_file() or text.archive_of(path):
        return {}
    try:
        lines, found = list(islice(text.read_lines(path), SAMPLE)), dict[str, tuple[Any, str]]()
    except UserError:  # not UTF-8; if it cannot be read at all, this says so again
        lines = list(islice(text.read_lines(path, "latin-1"), SAMPLE))
        found = {"encoding": ("latin-1", "")}
    cells = [line.split("\t") for line in lines if line.strip()]
    count = min(map(len, cells), default=0)
    if text.is_jsonl(path):
        keys = text.text_keys(path)
        if len(keys) == 2 and not {"text", "label"}.issubset(keys):
            # The label is what has fewer values.
            rows = [record.fields for record in islice(text.read_jsonl(path, keys), SAMPLE)]
            few, many = sorted(keys, key=lambda key: len({row[keys.index(key)] for row in rows}))
            found["columns"] = ((many, few), "")
        return found
    if count < 2:
        return found
    columns = list(zip(*(row[:count] for row in cells), strict=True))
    label = min(range(count), key=lambda each: (_no_labels(columns[each], count), -each))
    others = [each for each in range(count) if each != label]
    longest = max(others, key=lambda each: sum(map(len, columns[each])))
    why = f"of {count} columns: the longest cells, and the fewest values" if count > 2 else ""
    found |= {"format": ("tsv", ""), "columns": ((longest + 1, label + 1), why)}
    if _is_header(columns[longest], columns[label]):
        found["header"] = (
            True,
            f"line 1 names the columns: {', '.join(toml(cell)[1:-1] for cell in cells[0])}",
        )
    return found


def _no_labels(cells: Sequence[str], columns: int) -> tuple[bool, bool, int]:
    """What tells most against a column's being that of the labels comes first."""
    # A third column may be a constant, or a note that most lines lack.
    further = columns > 2
    return further and not all(map(str.strip, cells)), further and len({*cells[1:]}) == 1, len({*cells})


def _is_header(texts: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether line 1 of two columns names them: its label is no other line's, and all others repeat."""
    counts = Counter(map(str.strip, labels))
    first = labels[0].strip()
    if counts.pop(first) > 1 or not counts:
        return False
    return min(counts.values()) > 1 or not {first.lower(), texts[0].strip().lower()}.isdisjoint(_HEADER)


def _scheme(rows: Sequence[Sequence[str]]) -> str:
    found = {tag for row in rows for tag in row}
    if not all(map(_TAG.fullmatch, found)) or found == {"O"}:
        return "none"
    if any(tag[0] in "ES" for tag in found):
        return "IOBES"
    try:
        for row in rows:
            schemes.check(row, "IOB2")
    except UserError:
        return "IOB1"
    return "IOB2"


def _number(examples: Sequence[Any]) -> str:
    return f"{len(examples):,}" + (" or more" if len(examples) == SAMPLE else "")


def _most(counts: Counter[str]) -> str:
    """The most frequent names and how often there are."""
    shown = [f"{toml(name)[1:-1]} {count:,}" for name, count in counts.most_common(10)]
    return ", ".join(shown + ["..."] * (len(counts) > 10))
