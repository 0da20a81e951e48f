"""Word vectors beside gensim's on the same text with the same settings: speed, what was learnt, memory.

Both read one file of tokenized sentences and learn from it by turns. A speed is words of the vocabulary in
the text × epochs over the seconds of learning alone (vocabularies are made beforehand); a ratio is the median
of the rounds' ratios. Quality is the mean over seeds, with each side's spread (largest − smallest). Memory is
anonymous memory above that of a process that has trained on a few words, so that everything is imported.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.memory import Peak
from benchmarks.options import Options, data
from benchmarks.report import Goal, Report
from unrolled.embeddings import METHODS, Vectors
from unrolled.runs import Recipe
from unrolled.training import train

SETTINGS = {"dimensions": 100, "window": 5, "negatives": 5, "min_count": 5, "subsample": 1e-3, "rate": 0.025}
SKIP_GRAM = {name: SETTINGS[name] for name in ("dimensions", "window", "negatives", "subsample")}
GLOVE = {"method": "glove", "dimensions": SETTINGS["dimensions"], "window": 10}
GLOVE_EPOCHS = 25


@dataclass
class Row:
    """One contender: words a second of each round, and its scores by seed."""

    name: str
    speeds: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, other: Row) -> float:
        """Of the speeds, the median over rounds."""
        return statistics.median(a / b for a, b in zip(self.speeds, other.speeds, strict=True))

    def spread(self, test: str) -> float:
        return max(self.scores[test]) - min(self.scores[test])

    def cells(self, text: str, theirs: Row | None) -> list[str]:
        scores = [
            f"{statistics.mean(self.scores[test]):.1f} (spread {self.spread(test):.1f})"
            if test in self.scores
            else ""
            for test in ("word pairs", "analogies")
        ]
        return [
            f"{self.name}, {text}",
            *(
                [f"{statistics.median(self.speeds):,.0f}", f"{self.ratio(theirs):.2f}"]
                if theirs
                else ["", ""]
            ),
            *scores,
        ]


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
    found, goals = [], []
    with tempfile.TemporaryDirectory() as folder:
        reviews = _reviews(data("imdb") / "aclImdb.tar.gz", Path(folder) / "imdb.txt")
        for name, text, asked, epochs in (("WikiText-2", wikitext, tests, 5), ("IMDb", reviews, Tests(), 1)):
            ours, theirs = compare(text, asked, epochs=epochs, threads=threads, seeds=seeds)
            found += [row.cells(name, theirs) for row in (ours, theirs)]
            goals.append(Goal(f"skip-gram, {name}", "× gensim's words/s", ours.ratio(theirs), 2.5))
            for test, values in ours.scores.items():
                least = statistics.mean(theirs.scores[test]) - theirs.spread(test)
                goals.append(Goal(f"skip-gram, {test}", "mean of seeds", statistics.mean(values), least))
    glove = Row("unrolled, GloVe")
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            speed, vectors = _unrolled(wikitext, Path(folder), GLOVE, GLOVE_EPOCHS, threads, seed)
        _keep(glove, speed, tests.ask(vectors))
    found.append(glove.cells(f"WikiText-2, {GLOVE_EPOCHS} epochs", None))
    for method in METHODS:
        used = memory(wikitext, method, threads)
        parts = (f"{key} {value:.0f} MB" for key, value in used.items())
        found.append([f"{method}, WikiText-2, memory", "", "", *parts])
        rest = used["peak"] - used["matrices"]
        goals.append(Goal(f"{method}, memory", "MB beyond the two matrices", rest, 100, at_most=True))
    notes = ["quality: the bound is gensim's mean less its spread from seed to seed"]
    return Report(goals, ["contender", "words/s", "× gensim", "word pairs", "analogies"], found, notes)


def compare(text: Path, tests: Tests, *, epochs: int, threads: int, seeds: Sequence[int]) -> tuple[Row, Row]:
    """Ours and gensim's, a round a seed, by turns."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    ours, theirs = Row("unrolled"), Row("gensim")
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            speed, vectors = _unrolled(text, Path(folder), SKIP_GRAM, epochs, threads, seed)
        _keep(ours, speed, tests.ask(vectors))

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
        _keep(theirs, words * epochs / passed, tests.ask(Vectors(model.wv.index_to_key, model.wv.vectors)))
    return ours, theirs


def _unrolled(
    text: Path, folder: Path, model: dict[str, Any], epochs: int, threads: int, seed: int
) -> tuple[float, Vectors]:
    """Words a second and the vectors; of GloVe pairs that meet, a second."""
    predictor = _learn(text, folder / "run", model, threads, epochs=epochs, seed=seed)
    lines = map(json.loads, (folder / "run" / "log.jsonl").read_text().splitlines())
    # Lines are of as many words each, so that the mean speed is the harmonic one.
    speed = statistics.harmonic_mean([line["tokens_per_second"] for line in lines if "loss" in line])
    return speed, Vectors(predictor.vectors.words, np.array(predictor.vectors.matrix))


def _learn(
    text: Path,
    run: Path,
    model: dict[str, Any],
    threads: int,
    *,
    epochs: int = 1,
    seed: int = 1,
    min_count: float = SETTINGS["min_count"],
) -> Any:
    sections = {"data": {"train": str(text.resolve())}, "text": {"min_count": min_count}, "model": model}
    training = {"epochs": epochs, "log_every": 10, "tensorboard": False}
    recipe = Recipe.check({"task": "embed", **sections, "training": training}, run / "recipe.toml")
    return train(recipe, run, threads=threads, seed=seed, progress=False)


def _keep(row: Row, speed: float, scores: dict[str, float]) -> None:
    row.speeds.append(speed)
    for name, value in scores.items():
        row.scores.setdefault(name, []).append(value)


def _reviews(archive: Path, text: Path) -> Path:
    """The training reviews, a review a line, lower-cased words and marks apart."""
    with tarfile.open(archive) as files, text.open("w", encoding="utf-8") as lines:
        for file in files:
            if re.fullmatch(r"aclImdb/train/(neg|pos)/.*txt", file.name) and (
                content := files.extractfile(file)
            ):
                words = re.findall(r"\w+|[^\w\s]", content.read().decode().replace("<br />", " ").lower())
                lines.write(" ".join(words) + "\n")
    return text


def memory(text: Path, method: str, threads: int) -> dict[str, float]:
    """Megabytes: the most anonymous memory of a process that learns from the text; and the matrices."""
    command = [sys.executable, "-m", "benchmarks.embeddings", str(text), method, str(threads)]
    return json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )


def _memory(text: Path, method: str, threads: int) -> dict[str, float]:
    model = {"method": method}
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.txt"
        few.write_text("to be or not to be\n" * 9, encoding="utf-8")
        _learn(few, Path(folder) / "few", model, threads, min_count=1)
        before = Peak.now()
        with Peak() as peak:
            predictor = _learn(text, Path(folder) / "run", model, threads)
        tensors = dict(predictor.models[0].named_parameters())
        matrices = sum(tensors[name].nbytes for name in ("input", "output"))
    return {"peak": (peak.bytes - before) / 1e6, "matrices": matrices / 1e6}


if __name__ == "__main__":
    print(json.dumps(_memory(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
