from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.errors import UserError
from unrolled.training import train

RECIPE = """\
task = "translate"
[data]
train = "pairs.tsv"
{data}
[training]
updates = 1
{training}
"""


@pytest.mark.parametrize(
    ("data", "training", "says"),
    [
        ("", "", r"no dev part .* data\.dev_size, or set training\.validate_every = 0"),
        ("dev_size = 1", 'selection = "blue"', "no dev score 'blue': did you mean 'bleu'"),
        ("dev_size = 1", 'precision = "bfloat16"', "bfloat16 needs a GPU"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_prepared(
    tmp_path: Path, data: str, training: str, says: str
) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tb\nc\td\n")
    path = tmp_path / "my.toml"
    path.write_text(RECIPE.format(data=data, training=training))
    with pytest.raises(UserError, match=says):
        train(path, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (
            'task = "embed"\n[data]\ntrain = "t"\n[training]\nepochs = 1\nvalidate_every = 1',
            "nothing to score",
        ),
        (
            'task = "language-model"\n[data]\ntrain = "t"\ndev = "t"\n[text]\nkind = "word"\n[training]\n'
            'epochs = 1\nselection = "bits_per_character"',
            "no dev score 'bits_per_character'",
        ),
    ],
)
def test_scores_that_there_will_not_be(tmp_path: Path, recipe: str, says: str) -> None:
    (tmp_path / "my.toml").write_text(recipe)
    with pytest.raises(UserError, match=says):
        train(tmp_path / "my.toml", tmp_path / "run", progress=False)
