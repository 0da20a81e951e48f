"""A corpus larger than memory: how much anonymous memory do preparing it and training on it take?

``python -m benchmarks.memory --gigabytes 10`` writes a text of so much made-up language (Zipf's law over a
million words), trains a language model on it for some updates as ``unrolled train`` does, and prints the peak
of the process's anonymous resident memory (Linux: ``RssAnon``; pages of mapped files are not in it, since the
system takes them back when it needs them).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

RECIPE = """
task = "language-model"
[data]
train = "text.txt"
dev_size = 100000
[text]
kind = "{kind}"
size = 20000
[model]
embedding_size = 64
hidden_size = 64
[training]
updates = {updates}
validate_every = 0
log_every = 10
tensorboard = false
"""


_BLOCK = 100_000_000


def write(path: Path, size: int, seed: int = 1) -> None:
    """About ``size`` bytes of words spelled by their number, in lines of twenty; each 100 MB alike."""
    random = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    words = np.array(
        ["".join(letters[random.integers(26, size=n)]) for n in random.integers(2, 10, 1_000_000)]
    )
    block: list[bytes] = []
    made = 0
    while made < min(size, _BLOCK):
        numbers = random.zipf(1.2, (10_000, 20)) % len(words)
        block.append(("\n".join(" ".join(row) for row in words[numbers]) + "\n").encode())
        made += len(block[-1])
    with path.open("wb") as file:
        for _ in range(max(1, round(size / made))):
            file.writelines(block)


class Peak:
    """The highest ``RssAnon`` of this process and its children together while the block runs, in bytes."""

    def __enter__(self) -> Peak:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @staticmethod
    def now() -> int:
        """``RssAnon`` of this process and its children, in bytes."""
        processes = ["self"]
        for thread in Path("/proc/self/task").iterdir():
            processes += _read(thread / "children").split()
        lines = [line for each in processes for line in _read(Path("/proc", each, "status")).splitlines()]
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, self.now())
            if self._done.wait(0.05):
                return


def _read(path: Path) -> str:
    """What it says; nothing where the process has ended since."""
    try:
        return path.read_text()
    except OSError:
        return ""


def measure(folder: Path, size: int, kind: str, updates: int) -> dict[str, float]:
    """The peak in bytes, and seconds, of training on ``size`` bytes of text, preparing included."""
    from unrolled.training import train

    write(folder / "text.txt", size)
    (folder / "memory.toml").write_text(RECIPE.format(kind=kind, updates=updates))
    begun = time.monotonic()
    with Peak() as peak:
        train(folder / "memory.toml", folder / "run", progress=False)
    ids = np.load(folder / "run/cache/train/ids.npy", mmap_mode="r")
    return {
        "corpus_bytes": (folder / "text.txt").stat().st_size,
        "tokens": len(ids),
        "seconds": round(time.monotonic() - begun, 1),
        "peak_anonymous_bytes": peak.bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--kind", choices=("word", "character", "byte", "bpe"), default="word")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the text and the run go; a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        found = measure(Path(folder), int(chosen.gigabytes * 1e9), chosen.kind, chosen.updates)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
