"""Word vectors beside gensim's, and GloVe's beside its authors' program: speed, what was learnt, memory.

gensim and we read one file of tokenized sentences and learn from it by turns. A speed is words of the
vocabulary in the text × epochs over the seconds of learning alone (vocabularies are made beforehand); a ratio
is the median of the rounds' ratios, a round a seed. Quality is the mean over seeds, with each side's spread
(largest − smallest). GloVe's authors' program learns from the very pairs that we counted; its speed and ours
are in pairs.

Memory is anonymous memory above that of a process that has trained on a few words, so that everything is
imported: on WikiText-2, and on 50 MB of made-up words, hundreds of thousands of them different.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.memory import Peak, write
from benchmarks.options import Options, data
from benchmarks.peer import ROOT, PeerError
from benchmarks.report import Goal, Report
from unrolled.embeddings import METHODS, Corpus, Vectors
from unrolled.embeddings.pairs import block_sizes, read_block
from unrolled.runs import Recipe
from unrolled.training import train

SETTINGS = {"dimensions": 100, "window": 5, "negatives": 5, "min_count": 5, "subsample": 1e-3, "rate": 0.025}
SKIP_GRAM = {name: SETTINGS[name] for name in ("dimensions", "window", "negatives", "subsample")}
GLOVE = {"method": "glove", "dimensions": SETTINGS["dimensions"], "window": 10, "maximum_count": 10}
GLOVE_EPOCHS, GLOVE_RATE = 15, 0.1
MADE_UP = 50_000_000
ROWS, SIZE = 1_000_000, 300


@dataclass
class Row:
    """One contender: words (or pairs) a second of each round, and its scores by seed."""

    name: str
    speeds: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, other: Row) -> float:
        """Of the speeds, the median over rounds."""
        return statistics.median(a / b for a, b in zip(self.speeds, other.speeds, strict=True))

    def spread(self, test: str) -> float:
        return max(self.scores[test]) - min(self.scores[test])

    def keep(self, speed: float, scores: dict[str, float]) -> None:
        self.speeds.append(speed)
        for name, value in scores.items():
            self.scores.setdefault(name, []).append(value)

    def cells(self, work: str, theirs: Row) -> list[str]:
        scores = [
            f"{statistics.mean(self.scores[test]):.1f} (spread {self.spread(test):.1f})"
            if test in self.scores
            else ""
            for test in ("word pairs", "analogies")
        ]
        speed, ratio = statistics.median(self.speeds), self.ratio(theirs)
        return [f"{work}: {self.name}", f"{speed:,.0f}", f"{ratio:.2f}", *scores, ""]


@dataclass(frozen=True)
class Tests:
    """Files of questions; None: not asked."""

    pairs: Path | None = None
    analogies: Path | None = None

    def ask(self, vectors: Vectors) -> dict[str, float]:
        found = {}
        if self.pairs is not None:
            found["word pairs"] = vectors.evaluate_word_pairs(self.pairs).value
        if self.analogies is not None:
            found["analogies"] = vectors.evaluate_word_analogies(self.analogies).value
        return found


def run(options: Options) -> Report:
    threads, words = torch.get_num_threads(), data("word-eval")
    seeds = range(1, options.rounds + 1)
    tests = Tests(words / "wordsim353.tsv", words / "questions-words.txt")
    wikitext = data("wikitext-2") / "train.txt"
    found: list[list[str]] = []
    goals: list[Goal] = []
    notes = [
        "quality: the bound is the peer's mean less its spread from seed to seed",
        "memory: what there is at most beyond the two matrices and the words' strings",
    ]

    def beside(what: str, text: str, unit: str, bound: float, both: Callable[[], tuple[Row, Row]]) -> None:
        if not options.wants(f"{what}, {text}"):
            return
        try:
            ours, theirs = both()
        except PeerError as error:
            notes.append(f"{what}, {text} did not run: {error}")
            return
        found.extend(row.cells(f"{what}, {text}", theirs) for row in (ours, theirs))
        goals.append(Goal(f"{what}, {text}", f"× {theirs.name}'s {unit}", ours.ratio(theirs), bound))
        for test, values in ours.scores.items():
            least = statistics.mean(theirs.scores[test]) - theirs.spread(test)
            goals.append(Goal(f"{what}, {test}", "mean of seeds", statistics.mean(values), round(least, 2)))

    with tempfile.TemporaryDirectory() as folder:
        reviews, made_up = Path(folder) / "imdb.txt", Path(folder) / "made-up.txt"
        if options.wants("skip-gram, IMDb"):
            _reviews(data("imdb") / "aclImdb.tar.gz", reviews)
        for name, text, asked, epochs in (("WikiText-2", wikitext, tests, 5), ("IMDb", reviews, Tests(), 1)):
            both = partial(compare, text, asked, epochs=epochs, threads=threads, seeds=seeds)
            beside("skip-gram", name, "words/s", 2.5, both)
        both = partial(compare_glove, wikitext, tests, threads=threads, seeds=seeds)
        beside("GloVe", "WikiText-2", "pairs/s", 2, both)
        if any(options.wants(f"{method}, made-up words, memory") for method in METHODS):
            write(made_up, MADE_UP)
        for method in METHODS:
            for name, text in (("WikiText-2", wikitext), ("made-up words", made_up)):
                if not options.wants(f"{method}, {name}, memory"):
                    continue
                used = memory(text, method, threads)
                rest = used["peak"] - used["matrices"] - used["words"]
                parts = f"{rest:.0f} + matrices {used['matrices']:.0f} + words {used['words']:.0f}"
                found.append([f"{method}, {name}", "", "", "", "", parts])
                goals.append(
                    Goal(f"{method}, {name}", "MB beside matrices and words", rest, 100, at_most=True)
                )
        if options.wants("a query"):
            first, seconds = query(Path(folder) / "vectors.npy")
            work = f"a query over {ROWS:,} × {SIZE}, mapped from disk"
            goals.append(Goal(work, "ms, page cache warm", 1e3 * seconds, 100, at_most=True))
            also = "the first, which also measures every vector"
            notes.append(f"{work}: {1e3 * seconds:.0f} ms; {also}: {1e3 * first:.0f} ms")
    columns = ["work", "words or pairs/s", "×", "word pairs", "analogies", "memory at most, MB"]
    return Report(goals, columns, found, notes)


def compare(text: Path, tests: Tests, *, epochs: int, threads: int, seeds: Sequence[int]) -> tuple[Row, Row]:
    """Ours and gensim's, a round a seed, by turns."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    ours, theirs = Row("unrolled"), Row("gensim")
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            training = {"epochs": epochs, "learning_rate": SETTINGS["rate"]}
            speed, vectors = _unrolled(text, Path(folder), SKIP_GRAM, training, threads, seed)
        ours.keep(speed, tests.ask(vectors))

        model = Word2Vec(
            vector_size=SETTINGS["dimensions"],
            window=SETTINGS["window"],
            negative=SETTINGS["negatives"],
            min_count=SETTINGS["min_count"],
            sample=SETTINGS["subsample"],
            alpha=SETTINGS["rate"],
            min_alpha=1e-4,
            sg=1,
            workers=threads,
            seed=seed,
        )
        sentences = [[word for word in line if word != "<unk>"] for line in LineSentence(str(text))]
        model.build_vocab(sentences)
        words = sum(model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key)
        begin = time.perf_counter()
        model.train(sentences, total_examples=model.corpus_count, epochs=epochs)
        passed = time.perf_counter() - begin
        vectors = Vectors(model.wv.index_to_key, model.wv.vectors)
        theirs.keep(words * epochs / passed, tests.ask(vectors))
    return ours, theirs


def compare_glove(text: Path, tests: Tests, *, threads: int, seeds: Sequence[int]) -> tuple[Row, Row]:
    """Ours and that of GloVe's authors, on the same pairs.

    Raises:
        PeerError: their program is not there.
    """
    source = Path(os.environ.get("GLOVE", ROOT / "build" / "GloVe"))
    program = source / "build" / "glove"
    if not program.is_file():
        raise PeerError(f"{program} is not there: clone stanfordnlp/GloVe to {source} (or $GLOVE), `make` it")
    ours, theirs = Row("unrolled"), Row("the authors' program")
    training = {"epochs": GLOVE_EPOCHS, "learning_rate": GLOVE_RATE}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            speed, vectors = _unrolled(text, folder, GLOVE, training, threads, seed)
            ours.keep(speed, tests.ask(vectors))
            pairs = _write_pairs(folder / "run" / "cache", vectors.words, folder)
            options = {
                "input-file": folder / "pairs",
                "vocab-file": folder / "words",
                "save-file": folder / "made",
                "binary": 1,
                "vector-size": GLOVE["dimensions"],
                "x-max": GLOVE["maximum_count"],
                "iter": GLOVE_EPOCHS,
                "eta": GLOVE_RATE,
                "threads": threads,
                "seed": seed,
            }
            command = [str(program), *(str(part) for key in options for part in (f"-{key}", options[key]))]
            begin = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            passed = time.perf_counter() - begin
            # Both matrices, each row with its bias behind it.
            made = np.fromfile(folder / "made.bin").reshape(2, len(vectors), -1)[..., :-1].sum(0)
            made = Vectors(vectors.words, made.astype(np.float32))
            theirs.keep(pairs * GLOVE_EPOCHS / passed, tests.ask(made))
    return ours, theirs


def _write_pairs(cache: Path, words: Sequence[str], folder: Path) -> int:
    """What we counted as their program reads it: ``folder/words``, and in random order ``folder/pairs``."""
    pair = np.dtype([("first", np.int32), ("second", np.int32), ("count", np.float64)])
    sizes = block_sizes(cache)
    with (folder / "pairs").open("wb") as file:
        for block in range(len(sizes)):
            entries = read_block(cache, block, (0,))
            pairs = np.empty(len(entries.rows), dtype=pair)
            pairs["first"], pairs["second"] = entries.rows + 1, entries.columns + 1
            pairs["count"] = entries.counts
            pairs.tofile(file)
    counts = Corpus(cache).counts.tolist()
    lines = (f"{word} {count}\n" for word, count in zip(words, counts, strict=True))
    (folder / "words").write_text("".join(lines), encoding="utf-8")
    return int(sizes.sum())


def _unrolled(
    text: Path, folder: Path, model: dict[str, Any], training: dict[str, Any], threads: int, seed: int
) -> tuple[float, Vectors]:
    """Words a second and the vectors; of GloVe pairs that meet, a second."""
    predictor = _learn(text, folder / "run", model, training, threads, seed=seed)
    lines = map(json.loads, (folder / "run" / "log.jsonl").read_text().splitlines())
    # Lines are of as many words each, so that the mean speed is the harmonic one.
    speed = statistics.harmonic_mean([line["tokens_per_second"] for line in lines if "loss" in line])
    return speed, Vectors(predictor.vectors.words, np.array(predictor.vectors.matrix))


def _learn(
    text: Path,
    run: Path,
    model: dict[str, Any],
    training: dict[str, Any],
    threads: int,
    *,
    seed: int = 1,
    min_count: float = SETTINGS["min_count"],
) -> Any:
    values = {
        "task": "embed",
        "data": {"train": str(text.resolve())},
        "text": {"min_count": min_count},
        "model": model,
        "training": {"log_every": 10, "tensorboard": False, **training},
    }
    return train(Recipe.check(values, run / "recipe.toml"), run, threads=threads, seed=seed, progress=False)


def query(path: Path) -> tuple[float, float]:
    """Seconds of the first question to vectors mapped from disk, and the median of nine later ones."""
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, (ROWS, SIZE))
    random = np.random.default_rng(1)
    for rows in np.split(matrix, 20):
        rows[:] = random.standard_normal(rows.shape, dtype=np.float32)
    del matrix, rows
    vectors = Vectors([f"word{i}" for i in range(ROWS)], np.load(path, mmap_mode="r"))
    times = []
    for i in range(10):
        begin = time.perf_counter()
        vectors.most_similar(f"word{i}")
        times.append(time.perf_counter() - begin)
    return times[0], statistics.median(times[1:])


def _reviews(archive: Path, text: Path) -> None:
    """The training reviews, a review a line, lower-cased words and marks apart."""
    with tarfile.open(archive) as files, text.open("w", encoding="utf-8") as lines:
        for file in files:
            if re.fullmatch(r"aclImdb/train/(neg|pos)/.*txt", file.name) and (
                content := files.extractfile(file)
            ):
                words = re.findall(r"\w+|[^\w\s]", content.read().decode().replace("<br />", " ").lower())
                lines.write(" ".join(words) + "\n")


def memory(text: Path, method: str, threads: int) -> dict[str, float]:
    """Megabytes: the most anonymous memory that learning from the text takes; the matrices; the words."""
    command = [sys.executable, "-m", "benchmarks.embeddings", str(text), method, str(threads)]
    return json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )


def _memory(text: Path, method: str, threads: int) -> dict[str, float]:
    model, training = {"method": method}, {"epochs": 1}
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.txt"
        few.write_text("to be or not to be\n" * 9, encoding="utf-8")
        _learn(few, Path(folder) / "few", model, training, threads, min_count=1)
        before = Peak.now()
        with Peak() as peak:
            predictor = _learn(text, Path(folder) / "run", model, training, threads)
        tensors = dict(predictor.models[0].named_parameters())
        matrices = sum(tensors[name].nbytes for name in ("input", "output"))
        words = predictor.task.words
        strings = sys.getsizeof(words) + sum(map(sys.getsizeof, words))
    return {"peak": (peak.bytes - before) / 1e6, "matrices": matrices / 1e6, "words": strings / 1e6}


if __name__ == "__main__":
    print(json.dumps(_memory(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
