"""Phonetisaurus on the very split of ``recipes/pronounce.toml``, scored by the same metrics.

    pip install phonetisaurus                       # into an environment of its own
    python -m benchmarks.pronounce --phonetisaurus PATH/TO/bin/phonetisaurus

A weighted finite-state transducer over joint letter-phoneme chunks (Novak, Minematsu & Hirose 2016), with the
settings its package gives it.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from unrolled import metrics
from unrolled.runs import Recipe
from unrolled.text import ParallelCorpus, Segment


def run(command: str, segments: list[Segment], pairs: list[tuple[str, str]]) -> list[str]:
    """What Phonetisaurus, trained on ``pairs`` of word and phonemes, makes of the segments' sources."""
    with tempfile.TemporaryDirectory() as folder:
        lexicon, model = Path(folder, "lexicon.txt"), Path(folder, "model.fst")
        lexicon.write_text("".join(f"{word} {phonemes}\n" for word, phonemes in pairs), encoding="utf-8")
        subprocess.run([command, "train", "--model", model, lexicon], check=True, capture_output=True)
        words = "".join(f"{segment.source}\n" for segment in segments)
        answered = subprocess.run(
            [command, "predict", "--nbest", "1", "--model", model],
            input=words,
            check=True,
            capture_output=True,
            text=True,
        )
    said = dict(line.split(" ", 1) for line in answered.stdout.splitlines() if " " in line)
    return [said.get(segment.source, "") for segment in segments]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phonetisaurus", default=".venv-peers/bin/phonetisaurus", metavar="COMMAND")
    parser.add_argument("--split", default="test", choices=("dev", "test"))
    options = parser.parse_args()
    corpus = ParallelCorpus(Recipe.read("pronounce").sections.data)  # type: ignore[attr-defined]
    segments = corpus.segments(options.split)
    pairs = [(record.fields[0], record.fields[1]) for record in corpus.read("train")]
    begin = time.perf_counter()
    answers = run(options.phonetisaurus, segments, pairs)
    seconds = time.perf_counter() - begin
    references = [segment.references for segment in segments]
    print(f"{len(pairs):,} pairs, {len(segments):,} words of {options.split}, {seconds:.0f} s in all")
    for score in (
        metrics.word_error_rate(answers, references),
        metrics.phoneme_error_rate(answers, references),
    ):
        print(f"{score.name}  {score.value:.2f}  95 % interval {score.low:.2f} to {score.high:.2f}")


if __name__ == "__main__":
    main()
