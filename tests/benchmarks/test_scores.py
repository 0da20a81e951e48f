from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from benchmarks.scores import FILE, gather

from unrolled.errors import UserError
from unrolled.runs import Recipe

ROOT = Path(__file__).parents[2]
RECIPE = """
task = "translate"
[data]
train = "pairs.tsv"
dev_size = 1
test_size = 1
[training]
epochs = 1
"""


def test_the_figures_of_readme_are_those_of_the_scores() -> None:
    scores = json.loads(FILE.read_text(encoding="utf-8"))
    rows = re.findall(
        r"^\|[^|]*\|([^|]*)\|[^|]*`unrolled train ([\w-]+)`", (ROOT / "README.md").read_text("utf-8"), re.M
    )
    assert rows
    for figure, name in rows:
        means = [score["mean"] for score in scores[name]["test"].values()]
        for number in re.findall(r"\d+\.\d+", figure):
            digits = len(number.split(".")[1])
            assert any(f"{mean:.{digits}f}" == number for mean in means), (name, number, means)


def run(tmp_path: Path, name: str, seed: int, wrong: float | None, **changed: str) -> Path:
    overrides = [
        f"training.seed={seed}",
        *(f"{key.replace('_', '.', 1)}={to}" for key, to in changed.items()),
    ]
    folder = tmp_path / name
    folder.mkdir()
    Recipe.read(tmp_path / "small.toml", overrides).write(folder / "recipe.toml")
    if wrong is not None:
        score = {"name": "WER", "value": wrong, "signature": "s"}
        (folder / "scores.json").write_text(json.dumps({"test": {"wer": score}}), encoding="utf-8")
    return folder


def test_runs_of_one_recipe_give_their_mean(tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    one, two = run(tmp_path, "one", 1, 20.0), run(tmp_path, "two", 2, 30.0)
    found = gather(str(recipe), [one, two])
    assert found["seeds"] == [1, 2]
    assert found["test"]["WER"]["mean"] == 25
    for runs, message in (
        ([one, run(tmp_path, "again", 1, 1.0)], "same seed"),
        ([run(tmp_path, "other", 3, 1.0, model_hidden_size="8")], "model.hidden_size"),
        ([run(tmp_path, "none", 3, None)], "no score"),
    ):
        with pytest.raises(UserError, match=message):
            gather(str(recipe), runs)
