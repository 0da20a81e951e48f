"""``unrolled new language-model``: look at a text, and write a recipe whose settings fit it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from unrolled import text
from unrolled.tasks.look import lines_of, plain_origin, toml

SAMPLE = 200_000
"""Lines looked at; more would not change the advice."""
HELD_OUT = 500_000
"""Characters of a stream held out at most, for dev and for test: more would cost time at each validation."""
MANY = 20
"""Documents from which on some are held out."""
CODE = (".py", ".c", ".h", ".cpp", ".js", ".ts", ".java", ".go", ".rs", ".sh", ".html", ".tex", ".md")
_FEW_SYMBOLS = """\
embedding_size = 64
# Few symbols, each seen often, are learned faster from large vectors and forgetting that is not held back.
embedding_scale = 1.0
cell_options = { forget_bias = 0.0 }"""


@dataclass(frozen=True)
class Seen:
    """What a text looks like.

    Attributes:
        share: of the text that was looked at.
        tokenised: lines in which a mark stands by itself, as prepared corpora have them.
    """

    lines: int
    distinct: int
    words: int
    characters: int
    types: int
    tokenised: int
    share: float
    example: str

    @property
    def names(self) -> bool:
        """Whether lines are names or the like: short, and hardly two alike."""
        return self.characters < 25 * self.lines and self.words < 3 * self.lines and self.distinct > 1

    @property
    def whole(self) -> int:
        """About how many characters there are."""
        return int(self.characters / self.share)

    def about(self) -> str:
        """What was seen, for the recipe's comment."""
        return (
            f"{self.words / max(1, self.lines):.1f} words and {self.characters / max(1, self.lines):.1f}"
            f" characters a line, {self.types:,} distinct words, for example"
            f" {toml(self.example)}"
        )


def language_model(paths: Sequence[Path]) -> str:
    """The text of a recipe for a text: files that follow one another, or a folder of documents.

    Raises:
        UserError: a file that cannot be read as text.
    """
    origin = plain_origin(paths)
    data = text.PlainData.model_validate({**origin, "form": "stream"})
    seen = _look(text.PlainCorpus(data))
    # Of few documents none can be spared: they are read one after another, as one text.
    whole = any(path.is_dir() or path.suffix in CODE for path in paths)
    documents = whole and _many(data)
    form = "documents" if documents else "lines" if seen.names and not whole else "stream"
    size, words = seen.whole, seen.tokenised > 0.5 * seen.lines and not documents
    kind = "word" if words and form == "stream" else "bpe" if size > 20_000_000 else "character"
    hidden = 512 if size > 5_000_000 else 256 if size > 300_000 else 128
    tokens = size // 6 if kind == "word" else size // 4 if kind == "bpe" else size
    reads = (
        "batch_tokens = 4000"
        if form == "lines"
        else f"columns = {32 if tokens > 500_000 else 8}\nwindow = {70 if kind == 'word' else 100}"
    )
    epochs = 30 if tokens < 500_000 else 15 if tokens < 5_000_000 else 5
    held = {
        "stream": "The beginning and the end of the text are held out",
        "lines": "Lines are held out, none of which is seen in training",
        "documents": "Files are held out, none of which is seen in training",
    }[form]
    if form == "lines":
        held_out: float = max(1, min(2000, seen.distinct // 20))
    else:
        held_out = HELD_OUT if form == "stream" and size > 20 * HELD_OUT else 0.05
    return f"""\
# A language model of a text of about {size:,} characters.
#   {seen.about()}
# Every other setting has a default; `unrolled train` writes all of them into the run's recipe.toml.
task = "language-model"

[data]
{lines_of(origin)}
form = "{form}"
# {held}: dev chooses the best weights, test is reported.
dev_size = {held_out}
test_size = {held_out}

[text]
kind = "{kind}"{"  # as it is tokenised" if kind == "word" else ""}

[model]
cell = "lstm"
layers = {2 if kind == "word" else 1}
{_FEW_SYMBOLS if kind == "character" else f"embedding_size = {hidden}"}
hidden_size = {hidden}
tie = {str(kind != "character").lower()}
embedding_dropout = {0.2 if kind == "word" else 0.0}
readout_dropout = {0.4 if kind == "word" else 0.2}

[training]
epochs = {epochs}
{reads}
optimizer = "adam"
learning_rate = 0.002
clip_norm = 1.0
schedule = "cosine"
validate_every = "1 epoch"

[decoding]
length = {400 if kind != "word" else 100}
temperature = 0.8
"""


def _many(data: text.PlainData) -> bool:
    corpus = text.PlainCorpus(data.model_copy(update={"form": "documents"}))
    return sum(1 for _ in islice(corpus.read("train"), MANY)) == MANY


def _look(corpus: text.PlainCorpus) -> Seen:
    lines = words = characters = read = tokenised = 0
    types: Counter[str] = Counter()
    distinct: set[int] = set()
    example = ""
    for (line,), _, _ in islice(corpus.read("train"), SAMPLE):
        pieces = line.split()
        lines += bool(pieces)
        words += len(pieces)
        characters += len(line) + 1
        read += len(line.encode()) + 1
        tokenised += any(piece in (".", ",", "<unk>", "n't", "'s") for piece in pieces)
        types.update(pieces)
        distinct.add(hash(line))
        example = example or line.strip()[:60]
    share = min(1.0, read / (corpus.bytes("train") or read))
    return Seen(lines, len(distinct), words, characters, len(types), tokenised, share, example)
