"""Skip-gram beside gensim on the same text with the same settings: words a second, and what was learnt.

Both read one file of tokenized sentences and learn from it by turns. A speed is words of the vocabulary in
the text × epochs over the seconds of learning alone (vocabularies are made beforehand); a ratio is the median
of the rounds' ratios. Quality is the mean over seeds, with each side's spread (largest − smallest).

    python -m benchmarks.embeddings TEXT [--pairs wordsim353.tsv] [--analogies questions-words.txt]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unrolled.embeddings import Vectors

SETTINGS = {"dimensions": 100, "window": 5, "negatives": 5, "min_count": 5, "subsample": 1e-3, "rate": 0.025}


@dataclass
class Row:
    """One contender: words a second of each round, and its scores by seed."""

    name: str
    speeds: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)


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


def rows(
    text: Path, tests: Tests, *, epochs: int = 5, threads: int = 2, seeds: Sequence[int] = (1, 2, 3)
) -> list[Row]:
    """Ours and gensim's, a round a seed, by turns."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    ours, theirs = Row("unrolled"), Row("gensim")
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            speed, vectors = _unrolled(text, Path(folder), epochs, threads, seed)
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
    return [ours, theirs]


def _unrolled(text: Path, folder: Path, epochs: int, threads: int, seed: int) -> tuple[float, Vectors]:
    import unrolled

    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'task = "embed"\n[data]\ntrain = {json.dumps(str(text.resolve()))}\n'
        f"[text]\nmin_count = {SETTINGS['min_count']}\n"
        f"[model]\ndimensions = {SETTINGS['dimensions']}\nwindow = {SETTINGS['window']}\n"
        f"negatives = {SETTINGS['negatives']}\nsubsample = {SETTINGS['subsample']}\n"
        f"[training]\nepochs = {epochs}\nlearning_rate = {SETTINGS['rate']}\n"
        "log_every = 10\ntensorboard = false\n"
    )
    predictor = unrolled.train(recipe, folder / "run", threads=threads, seed=seed, progress=False)
    lines = map(json.loads, (folder / "run" / "log.jsonl").read_text().splitlines())
    # Lines are of as many words each, so that the mean speed is the harmonic one.
    speed = statistics.harmonic_mean([line["tokens_per_second"] for line in lines if "loss" in line])
    return speed, Vectors(predictor.vectors.words, np.array(predictor.vectors.matrix))


def _keep(row: Row, speed: float, scores: dict[str, float]) -> None:
    row.speeds.append(speed)
    for name, value in scores.items():
        row.scores.setdefault(name, []).append(value)


def table(found: Sequence[Row]) -> str:
    """Markdown; the ratio is to the last row's contender."""
    names = list(found[0].scores)
    lines = [
        f"| skip-gram | words/s | × {found[-1].name} | {' | '.join(names)} |",
        "| --- " * (3 + len(names)) + "|",
    ]
    for row in found:
        ratio = statistics.median(
            one / other for one, other in zip(row.speeds, found[-1].speeds, strict=True)
        )
        scores = [
            f"{statistics.mean(values):.1f} (spread {max(values) - min(values):.1f})"
            for values in row.scores.values()
        ]
        speed = statistics.median(row.speeds)
        lines.append(f"| {row.name} | {speed:,.0f} | {ratio:.2f} | {' | '.join(scores)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--analogies", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    tests = Tests(options.pairs, options.analogies)
    found = rows(options.text, tests, epochs=options.epochs, threads=options.threads, seeds=options.seeds)
    print(table(found))
