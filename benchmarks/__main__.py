"""``python -m benchmarks [SUBJECT…] [--rounds N] [--threads N]``: measure, print, and write RESULTS.md.

Machines of another kind have a file of their own: ``--results benchmarks/RESULTS-avx2.md``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
import traceback
from pathlib import Path

import torch

from benchmarks import peer, report
from benchmarks.options import Options

SUBJECTS = {
    "cells": "Recurrent cells",
    "user_cell": "A user's own cell",
    "training": "Training a translator",
    "translating": "Translating",
    "characters": "One stream of characters",
    "word_model": "A word language model's step",
    "embeddings": "Word vectors",
    "inspecting": "Looking inside",
    "bleu": "BLEU",
}
"""Module → title, in the report's order. A module has ``run(options) -> Report``."""
PEERS = ("jax", "keras", "onednn", "joeynmt", "sacrebleu", "gensim")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"some of: {', '.join(SUBJECTS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name holds this text; printed, not written")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no subject {unknown[0]!r}; choose from {', '.join(SUBJECTS)}")
    torch.set_num_threads(chosen.threads)
    # As the peers: none gets processors that another lacks.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    options = Options(chosen.rounds, chosen.only)
    machine = report.machine(chosen.threads, peer.versions(*PEERS))
    found = {}
    for name, title in SUBJECTS.items():
        if chosen.subjects and name not in chosen.subjects:
            continue
        peer.warn(f"== {title}")
        begin = time.monotonic()
        try:
            result = importlib.import_module(f"benchmarks.{name}").run(options)
        except Exception as error:  # one subject must not take the others' findings with it
            traceback.print_exc()
            reason = f"did not run: {type(error).__name__}: {error}"
            result = report.Report([], ["work"], [], [reason])
        found[title] = (result, machine)
        peer.warn(f"== {title}: {time.monotonic() - begin:.0f} s")
    titles = list(SUBJECTS.values())
    print(report.merge("", found, titles))
    if not chosen.only:
        old = chosen.results.read_text(encoding="utf-8") if chosen.results.exists() else ""
        chosen.results.write_text(report.merge(old, found, titles), encoding="utf-8")


if __name__ == "__main__":
    main()
