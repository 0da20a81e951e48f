"""The main job as a user does it at the command line: from a file of pairs to a translator that is judged."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from unrolled.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command prints; it succeeds."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    assert code == 0, told.err
    return told.out


def test_from_pairs_to_a_translator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdef", k=draw.randint(2, 6))) for _ in range(400)]
    pairs, recipe, trained = tmp_path / "pairs.tsv", tmp_path / "pairs.toml", tmp_path / "run"
    pairs.write_text("".join(f"{word}\t{' '.join(word.upper())}\n" for word in words))
    run(capsys, "new", "translate", pairs, "-o", recipe)
    small = ["model.hidden_size=48", "model.embedding_size=16", "training.epochs=25"]
    small += ["training.batch_tokens=100", "training.learning_rate=0.01", "training.validate_every=5 epochs"]
    small += [f"model.{kind}_dropout=0" for kind in ("embedding", "layer", "readout")]
    sets = [part for each in small for part in ("--set", each)]
    run(capsys, "train", recipe, "--run", trained, "--threads", 1, *sets)
    (tmp_path / "in.txt").write_text("abc\n\nfed\n")
    translate = ["translate", trained, tmp_path / "in.txt"]
    assert run(capsys, *translate, "--attention", tmp_path / "a.png") == "A B C\n\nF E D\n"
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert (tmp_path / "a-3.png").stat().st_size > 1000
    best = [line.split("\t") for line in run(capsys, *translate, "--nbest", 2).splitlines()]
    assert [line[0] for line in best] == ["1", "1", "2", "3", "3"]
    assert best[0][2] == "A B C"
    assert [each["text"] for each in json.loads(run(capsys, *translate, "--json"))] == ["A B C", "", "F E D"]
    for name, lines in (("source", "abc\nabc\n"), ("target", "A B C\nA B B\n")):
        (tmp_path / name).write_text(lines)
    scores = run(capsys, "score", trained, "--source", tmp_path / "source", "--target", tmp_path / "target")
    right, wrong = (float(line.split("\t")[0]) for line in scores.splitlines())
    assert right > wrong
    found = json.loads(run(capsys, "evaluate", trained, "--by-length", "--json"))["scores"]
    assert found["phoneme_error_rate"]["value"] < 20
    assert json.loads((trained / "scores.json").read_text())["test"].keys() == found.keys()
    assert "word error rate" in run(capsys, "compare", trained, trained)
