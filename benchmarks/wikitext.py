"""The language model of PyTorch's examples, trained on the text of ``recipes/wikitext-2.toml``.

    git clone https://github.com/pytorch/examples
    python -m benchmarks.wikitext examples/word_language_model --minutes 60

The program is the authors' own with its own settings (two LSTM layers of 200, tied, plain gradient descent
from a rate of 20), six epochs of them. When time runs out it gets a Ctrl-C, and the best weights at the end
of an epoch answer.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.options import data

PARTS = ("train", "valid", "test")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("example", type=Path, help="the folder with the example's main.py")
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            (path,) = data("wikitext-2").glob(f"*{part}*")
            (Path(folder) / f"{part}.txt").symlink_to(path.resolve())
        program = options.example.resolve() / "main.py"
        own = ["--data", folder, "--tied", "--epochs", "6", "--save", str(Path(folder) / "model.pt")]
        with subprocess.Popen([sys.executable, "-u", str(program), *own]) as training:
            try:
                training.wait(timeout=60 * options.minutes)
            except subprocess.TimeoutExpired:
                training.send_signal(signal.SIGINT)
                if training.wait():
                    sys.exit(f"no epoch ended within {options.minutes:g} minutes")
        if training.returncode:
            sys.exit(f"{program} ended with {training.returncode}")


if __name__ == "__main__":
    main()
