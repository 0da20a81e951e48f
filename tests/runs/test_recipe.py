from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from unrolled import tasks
from unrolled.errors import UserError
from unrolled.runs import recipe as recipes
from unrolled.runs.recipe import Recipe, find, override, shipped
from unrolled.runs.settings import TrainingSettings


def read(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return Recipe.read(path, overrides)


def mistake(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text, *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xef\xbb\xbf" + b'task = "toy"\n[training]\nupdates = 1\n')
    assert Recipe.read(path).task == "toy"


def test_a_recipe_holds_what_it_says_and_defaults(tmp_path: Path) -> None:
    recipe = read(
        tmp_path, 'task = "toy"\n[data]\nnoise = 1\n[text.source]\nkind = "bpe"\n[training]\nepochs = 2'
    )
    assert recipe.sections.data.noise == 1.0
    assert recipe.sections.text.source.kind == "bpe"
    assert recipe.training.epochs == 2
    assert recipe.training.optimizer == "adam"
    assert recipe.name == "my"


def test_the_tasks_own_training_keys_stand_in_the_training_section(tmp_path: Path) -> None:
    recipe = read(tmp_path, 'task = "toy"\n[training]\nepochs = 2\nbatch_rows = 3')
    assert recipe.sections.training.batch_rows == 3


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ('task = "toy', (), "my.toml:1: not valid TOML"),
        ('task = "toy"\n\n[data\n', (), "my.toml:3: not valid TOML"),
        ("x = 1", (), "my.toml: say which task it is for: task = "),
        ('\ntask = "toi"', (), "my.toml:2: unknown task 'toi': did you mean 'toy'?"),
        ('task = "toy"\n[dada]\nx=1', (), "my.toml:2: unknown section [dada]: did you mean 'data'?"),
        ('task = "toy"\ndata = 3', (), "my.toml:2: data is a section: write [data]"),
        (
            'task = "toy"\n[training]\nepochs = 1\n[model]\nhiden = 3',
            (),
            "my.toml:5: unknown key 'hiden' in [model]: did you mean 'hidden'?",
        ),
        (
            'task = "toy"\n[training]\nepoch = 1',
            (),
            "my.toml:3: unknown key 'epoch' in [training]: did you mean 'epochs'?",
        ),
        (
            'task = "toy"\n[training]\nbatch_row = 1',
            (),
            "my.toml:3: unknown key 'batch_row' in [training]: did you mean 'batch_rows'?",
        ),
        (
            'task = "toy"\n[text.source]\nkin = "word"',
            (),
            "my.toml:3: unknown key 'kin' in [text.source]: did you mean 'kind'?",
        ),
        (
            'task = "toy"\n[text]\nsource.kin = "word"',
            (),
            "my.toml:3: unknown key 'kin' in [text.source]: did you mean 'kind'?",
        ),
        (
            'task = "toy"\n[model]\nhidden = "many"',
            (),
            'my.toml:3: model.hidden = "many": Input should be a valid integer',
        ),
        (
            'task = "toy"\n[model]\nhidden = "4"',
            (),
            'my.toml:3: model.hidden = "4": Input should be a valid int',
        ),
        (
            'task = "toy"\n[model]\nhidden = true',
            (),
            "my.toml:3: model.hidden = true: Input should be a valid int",
        ),
        (
            'task = "toy"\n[model]\nhidden = 0',
            (),
            "my.toml:3: model.hidden = 0: Input should be greater than or eq",
        ),
        (
            'task = "toy"\n[data]\ncolumns = [1, "b"]',
            (),
            'my.toml:3: data.columns = [1, "b"]: Input should be',
        ),
        (
            'task = "toy"\n[training]\nepochs = 1\noptimizer = "adom"',
            (),
            "my.toml:4: training.optimizer = \"adom\": Input should be 'sgd', 'adam' or 'adamw'",
        ),
        (
            'task = "toy"\n[training]\nepochs = 1\nvalidate_every = "5 minutes"',
            (),
            'my.toml:4: training.validate_every = "5 minutes": should look like "500 updates" or "1 epoch"',
        ),
        (
            'task = "toy"\n[data]\ncolumns = [1]',
            (),
            "my.toml:3: data.columns = [1]: 2 values wanted, there is 1",
        ),
        (
            'task = "toy"\n[data]\ncolumns = []',
            (),
            "my.toml:3: data.columns = []: 2 values wanted, there are 0",
        ),
        (
            'task = "toy"\n[training]\nepochs = 1\nbetas = [0.9]',
            (),
            "my.toml:4: training.betas = [0.9]: 2 values wanted, there is 1",
        ),
        (
            'epochs = 5\ntask = "toy"\n',
            (),
            "my.toml:1: epochs stands in no section: it belongs to [training]",
        ),
        ('task = "toy"\n', (), "my.toml: training: how long? give updates or epochs"),
        (
            'task = "toy"\n',
            ("model.hiden=3",),
            "--set model.hiden: unknown key 'hiden' in [model]: did you mean",
        ),
        (
            'task = "toy"\n',
            ("model.hidden=x",),
            '--set model.hidden: model.hidden = "x": Input should be a valid int',
        ),
        ('task = "toy"\n', ("modle.hidden=3",), "unknown section [modle]: did you mean 'model'?"),
        ('task = "toy"\n', ("hidden",), "--set hidden: should look like section.key=value"),
        ('task = "toy"\n', ("task=toy",), "--set task=toy: should look like section.key=value"),
        ('task = "toy"\n', ("task.x=1",), "--set task.x=1: task is not a section"),
    ],
)
def test_a_mistake_is_one_line_that_says_where_and_what(
    tmp_path: Path, text: str, overrides: tuple[str, ...], expected: str
) -> None:
    assert expected in mistake(tmp_path, text, *overrides)


def test_a_missing_key_is_named_with_what_it_is(tmp_path: Path, toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic import Field, create_model

    data = create_model(
        "Data", __base__=toy.Section, train=(str, Field(description="the file to learn from"))
    )
    sections = create_model("Sections", __base__=toy.Sections, data=(data, ...))
    monkeypatch.setattr(toy.Toy, "Sections", sections)
    message = mistake(tmp_path, 'task = "toy"\n[training]\nepochs = 1')
    assert message == "my.toml: data.train is missing (the file to learn from)"


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_bytes(b'task = "\xff"')
    with pytest.raises(UserError, match=r"my.toml: not UTF-8 \(byte 8\)"):
        Recipe.read(tmp_path / "my.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"a b"', "a b"),
        ("a b", "a b"),
        ("x=y", "x=y"),
    ],
)
def test_overrides_are_toml_or_bare_strings(text: str, value: object) -> None:
    values: dict = {"a": {"old": 1}}
    assert override(values, f"a.b={text}") == "a.b"
    assert values == {"a": {"old": 1, "b": value}}


def test_overrides_reach_nested_sections_and_win(tmp_path: Path) -> None:
    recipe = read(
        tmp_path,
        'task = "toy"\n[training]\nepochs = 1\n[text.source]\nkind = "a"',
        "text.source.kind=b",
        "training.epochs=7",
    )
    assert (recipe.sections.text.source.kind, recipe.training.epochs) == ("b", 7)


def test_the_root_given_on_the_command_line_is_taken_from_the_current_folder(tmp_path: Path) -> None:
    values: dict = {}
    override(values, "data.root=there")
    assert values["data"]["root"] == str(Path("there").resolve())
    override(values, "data.root=$UNROLLED_DATA/x")
    assert values["data"]["root"] == "$UNROLLED_DATA/x"


def test_writing_and_reading_gives_the_same_recipe_with_comments(tmp_path: Path) -> None:
    recipe = read(
        tmp_path,
        'task = "toy"\n[data]\ncolumns = "q\\"u\\\\o"\n[text.source]\nsize = 7\n[model]\nhidden = 9\n'
        '[training]\nupdates = 3\nbetas = [0.5, 0.75]\nclip_norm = 1e-7\nbatch_rows = 4\naveraging = "ema"',
    )
    recipe.write(tmp_path / "again.toml")
    again = Recipe.read(tmp_path / "again.toml")
    assert again.sections == recipe.sections
    assert again.training == recipe.training
    assert again.changes(recipe) == []
    text = (tmp_path / "again.toml").read_text()
    assert "# how many rows\nrows = 40\n" in text
    assert "# clip_value is not set" in text
    for model in (recipe.training, recipe.sections.data, recipe.sections.text.source):
        for key in type(model).model_fields:
            assert f"\n{key} = " in text or f"\n# {key} is not set" in text


def test_what_need_not_be_set_is_not_set_unless_it_is_given() -> None:
    # TOML has no null: another default would come back in the place of None.
    models: list = [TrainingSettings, *(tasks.find(name).Sections for name in tasks.names())]
    for model in models:
        for key, field in model.model_fields.items():
            models += [each for each in recipes._models(field.annotation) if each not in models]
            if type(None) in get_args(field.annotation):
                assert field.default is None, f"{model.__name__}.{key}"


def test_only_keys_that_may_change_may_change(tmp_path: Path) -> None:
    base = 'task = "toy"\n[training]\nupdates = 3\n'
    recorded = read(tmp_path, base)
    harmless = read(
        tmp_path, base + "epochs = 4\npatience = 2\nlog_every = 7\nkeep = 3\ncheckpoint_updates = 2"
    )
    assert harmless.changes(recorded) == []
    other = read(tmp_path, base + "seed = 2\nbatch_rows = 3\n[model]\nhidden = 7\n[text.source]\nsize = 8")
    assert other.changes(recorded) == [
        "model.hidden",
        "text.source.size",
        "training.batch_rows",
        "training.seed",
    ]


def test_shipped_recipes_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "unrolled"
    (package / "recipes").mkdir(parents=True)
    (package / "runs").mkdir()
    (package / "recipes" / "pronounce.toml").write_text("")
    monkeypatch.setattr(recipes, "__file__", str(package / "runs" / "recipe.py"))
    assert find("pronounce") == package / "recipes" / "pronounce.toml"
    with pytest.raises(UserError, match=r"unknown recipe 'pronunce': did you mean 'pronounce'\?"):
        find("pronunce")
    with pytest.raises(UserError, match=r"unknown recipe 'zzz': known: pronounce"):
        find("zzz")
    for path in ("zzz.toml", "folder/zzz"):
        with pytest.raises(UserError, match=f"{path}: no such recipe"):
            find(path)


def test_the_checkouts_recipes_are_found_when_there_are_none_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "x.toml").write_text("")
    monkeypatch.setattr(recipes, "__file__", str(tmp_path / "src" / "unrolled" / "runs" / "recipe.py"))
    assert shipped() == {"x": tmp_path / "recipes" / "x.toml"}


def test_another_seed(tmp_path: Path) -> None:
    recipe = read(tmp_path, 'task = "toy"\n[training]\nupdates = 3\n')
    assert recipe.with_seed(5).training.seed == 5
    with pytest.raises(UserError, match="--seed -1"):
        recipe.with_seed(-1)


def test_where_the_data_lies_may_change(tmp_path: Path) -> None:
    base = 'task = "toy"\n[training]\nupdates = 3\n'
    assert read(tmp_path, base + '[data]\nroot = "/there"').changes(read(tmp_path, base)) == []


@pytest.mark.parametrize(
    "value",
    [{}, {"reset": "after"}, {"a": {"b": [1, 2.5, True]}, "with space": 'quo"te'}, [], [1, 2], "ü\n", 1e-30],
)
def test_every_value_is_written_so_that_toml_reads_it(value: object) -> None:
    assert tomllib.loads(f"value = {recipes._toml(value)}") == {"value": value}


def test_every_shipped_recipe_is_read_and_survives_being_written(tmp_path: Path) -> None:
    assert shipped()
    for name in shipped():
        recipe = Recipe.read(name)
        recipe.write(tmp_path / "again.toml")
        assert Recipe.read(tmp_path / "again.toml").changes(recipe) == []
