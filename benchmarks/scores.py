"""The scores of trained recipes, gathered from their runs into ``benchmarks/scores.json``.

    unrolled train NAME --run RUN && unrolled evaluate RUN
    python -m benchmarks.scores NAME RUN [RUN …]

Several runs of one recipe, which differ in their seed alone, give their mean. README's figures are held to
this file by ``tests/benchmarks/test_scores.py``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from unrolled.errors import UserError
from unrolled.runs import Recipe, RunFolder

FILE = Path(__file__).with_name("scores.json")
_SEED = "training.seed"


def gather(name: str, runs: list[Path]) -> dict[str, Any]:
    """The test scores of runs of the recipe ``name``, each a mean.

    Raises:
        UserError: a run of another recipe, without a test score, or two of the same seed.
    """
    recipe = Recipe.read(name)
    seeds, scores = [], []
    for run in runs:
        own = Recipe.read(run / "recipe.toml")
        changed = [key for key in own.changes(recipe) if key != _SEED]
        if changed:
            raise UserError(f"{run}: not a run of the recipe {name}: {', '.join(changed)} differ")
        found = RunFolder(run).read_scores()
        if "test" not in found:
            raise UserError(f"{run}: has no score of the test split: unrolled evaluate {run}")
        seeds.append(own.training.seed)
        scores.append(found["test"])
    if len(set(seeds)) < len(seeds):
        raise UserError(f"{name}: two runs have the same seed")
    return {
        "command": f"unrolled train {name} && unrolled evaluate runs/{name}",
        "seeds": seeds,
        "test": {
            first["name"]: {
                "mean": fmean(values),
                "values": values,
                "signature": first["signature"],
            }
            for metric, first in scores[0].items()
            if (values := [score[metric]["value"] for score in scores])
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="the recipe")
    parser.add_argument("runs", nargs="+", type=Path)
    options = parser.parse_args()
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    known[options.name] = gather(options.name, options.runs)
    FILE.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    for metric, score in known[options.name]["test"].items():
        print(f"{options.name}  {metric}  {score['mean']:.2f}")


if __name__ == "__main__":
    main()
