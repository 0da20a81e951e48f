"""Other pronouncers on the very split of ``recipes/pronounce.toml``, scored by the same metrics.

    pip install phonetisaurus   # or yoyodyne==0.5.27; each in an environment of its own, no torchvision
    python -m benchmarks.pronounce phonetisaurus --command PATH/TO/bin/phonetisaurus
    python -m benchmarks.pronounce yoyodyne --command PATH/TO/bin/yoyodyne --minutes 60

Phonetisaurus is a weighted finite-state transducer over joint chunks of letters and phonemes (Novak,
Minematsu & Hirose 2016), with the settings its package gives it. Yoyodyne's attentive LSTM has the recipe's
sizes (512 units, embeddings of 128, two encoder layers) and trains for the time that it is given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled import metrics
from unrolled.runs import Recipe
from unrolled.text import ParallelCorpus, Segment

Pairs = list[tuple[str, str]]
_LSTM = "yoyodyne.models.modules.LSTMEncoder"


def phonetisaurus(
    options: argparse.Namespace, folder: Path, corpus: ParallelCorpus, words: list[str]
) -> list[str]:
    """What it makes of ``words`` after training on the corpus' pairs of word and phonemes."""
    lexicon, model = folder / "lexicon.txt", folder / "model.fst"
    lexicon.write_text("".join(f"{word} {phonemes}\n" for word, phonemes in _pairs(corpus)), encoding="utf-8")
    subprocess.run([options.command, "train", "--model", model, lexicon], check=True, capture_output=True)
    answered = subprocess.run(
        [options.command, "predict", "--nbest", "1", "--model", model],
        input="".join(f"{word}\n" for word in words),
        check=True,
        capture_output=True,
        text=True,
    )
    said = dict(line.split(" ", 1) for line in answered.stdout.splitlines() if " " in line)
    return [said.get(word, "") for word in words]


def yoyodyne(
    options: argparse.Namespace, folder: Path, corpus: ParallelCorpus, words: list[str]
) -> list[str]:
    """As above; its best epoch on dev (exact matches) answers."""
    pairs = {
        "train": _pairs(corpus),
        "val": [(segment.source, segment.references[0]) for segment in corpus.segments("dev")],
        "predict": [(word, "AH") for word in words],  # it asks for a target there too, and reads none of it
    }
    for part, rows in pairs.items():
        lines = "".join(f"{word}\t{phonemes}\n" for word, phonemes in rows)
        (folder / f"{part}.tsv").write_text(lines, encoding="utf-8")
    layers = {"layers": 2, "hidden_size": 512, "embedding_size": 128}
    config: dict[str, Any] = {
        "seed_everything": 1,
        "trainer": {
            "max_epochs": 1000,
            "max_time": f"00:{options.minutes // 60:02}:{options.minutes % 60:02}:00",
            "enable_progress_bar": False,
            "default_root_dir": str(folder),
            "gradient_clip_val": 1.0,
        },
        "data": {
            "model_dir": str(folder),
            "train": str(folder / "train.tsv"),
            "val": str(folder / "val.tsv"),
            "target_sep": " ",
            "batch_size": 128,
        },
        "model": {
            "class_path": "yoyodyne.models.SoftAttentionLSTMModel",
            "init_args": {
                "source_encoder": {"class_path": _LSTM, "init_args": {**layers, "dropout": 0.3}},
                "decoder_hidden_size": 512,
                "embedding_size": 128,
                "decoder_dropout": 0.3,
                "label_smoothing": 0.1,
            },
        },
        "checkpoint": {"filename": "best", "mode": "max", "monitor": "val_accuracy"},
    }
    file, answers = folder / "config.yaml", folder / "answers.txt"
    file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML too
    subprocess.run([options.command, "fit", "--config", file], check=True)
    best = next(folder.rglob("best.ckpt"))
    config["data"]["predict"] = str(folder / "predict.tsv")
    config["prediction"] = {"path": str(answers)}
    file.write_text(json.dumps(config), encoding="utf-8")
    subprocess.run([options.command, "predict", "--config", file, "--ckpt_path", best], check=True)
    return answers.read_text(encoding="utf-8").splitlines()


_PEERS: dict[str, Callable[[argparse.Namespace, Path, ParallelCorpus, list[str]], list[str]]] = {
    "phonetisaurus": phonetisaurus,
    "yoyodyne": yoyodyne,
}


def _pairs(corpus: ParallelCorpus) -> Pairs:
    return [(record.fields[0], record.fields[1]) for record in corpus.read("train")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=tuple(_PEERS))
    parser.add_argument("--command", required=True, help="the peer's own command")
    parser.add_argument("--split", default="test", choices=("dev", "test"))
    parser.add_argument("--minutes", type=int, default=60, help="how long Yoyodyne trains")
    options = parser.parse_args()
    corpus = ParallelCorpus(Recipe.read("pronounce").sections.data)  # type: ignore[attr-defined]
    segments: list[Segment] = corpus.segments(options.split)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        answers = _PEERS[options.peer](
            options, Path(folder), corpus, [segment.source for segment in segments]
        )
    seconds = time.perf_counter() - begin
    references = [segment.references for segment in segments]
    print(f"{len(segments):,} words of {options.split}, {seconds:.0f} s in all")
    for score in (
        metrics.word_error_rate(answers, references),
        metrics.phoneme_error_rate(answers, references),
    ):
        print(f"{score.name}  {score.value:.2f}  95 % interval {score.low:.2f} to {score.high:.2f}")


if __name__ == "__main__":
    main()
