"""What ``unrolled new`` writes: it fits the data, and it trains."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from unrolled import tasks
from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks import look
from unrolled.training import train


def pairs(kind: str, count: int) -> list[tuple[str, str]]:
    draw = random.Random(1)
    if kind == "spelling":
        words = ["".join(draw.choices("abcdefg", k=draw.randint(6, 9))) for _ in range(count)]
        return [(word, " ".join(word.upper())) for word in words]
    words = ["".join(draw.choices("aeinrstü", k=draw.randint(2, 7))) for _ in range(500)]
    lines = [" ".join(draw.choices(words, k=draw.randint(3, 8))) for _ in range(count)]
    return [(line, line.upper()) for line in lines]


def write(folder: Path, kind: str, count: int) -> Path:
    path = folder / "pairs.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs(kind, count)), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["spelling", "sentence"])
def test_the_recipe_for_pairs_trains_as_it_is(kind: str, tmp_path: Path) -> None:
    recipe = tmp_path / "my.toml"
    data = write(tmp_path, kind, 400)
    recipe.write_text(tasks.find("translate").look([data]), encoding="utf-8")
    text = Recipe.read(recipe).sections.text  # type: ignore[attr-defined]
    assert (text.source.kind, text.target.kind) == (
        ("character", "symbol") if kind == "spelling" else ("bpe", "bpe")
    )
    short = ["training.updates=2", "model.hidden_size=8", "model.embedding_size=4"]
    translator = train(recipe, tmp_path / "run", overrides=short, threads=1, progress=False)
    assert len(list(translator.predict(["abc", ""]))) == 2


def test_two_files_line_by_line(tmp_path: Path) -> None:
    both = pairs("sentence", 30)
    for side, name in enumerate(("a.de", "a.up")):
        (tmp_path / name).write_text("".join(pair[side] + "\n" for pair in both), encoding="utf-8")
    written = tasks.find("translate").look([tmp_path / "a.de", tmp_path / "a.up"])
    assert f'train = ["{tmp_path}/a.de", "{tmp_path}/a.up"]' in written
    assert "30 pairs" in written


def test_more_pairs_get_a_larger_model(tmp_path: Path) -> None:
    sizes = []
    for count in (100, 6000):
        (tmp_path / "r.toml").write_text(tasks.find("translate").look([write(tmp_path, "spelling", count)]))
        sizes.append(Recipe.read(tmp_path / "r.toml").sections.model.hidden_size)  # type: ignore[attr-defined]
    assert sizes[0] < sizes[1]


def test_words_with_several_answers_are_grouped(tmp_path: Path) -> None:
    path = write(tmp_path, "spelling", 100)
    assert "group_references = false" in tasks.find("translate").look([path])
    path.write_text(path.read_text() * 2)
    assert "group_references = true" in tasks.find("translate").look([path])


def test_mistakes_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"one file of pairs .* or two files line by line, not 3"):
        tasks.find("translate").look([tmp_path] * 3)
    with pytest.raises(UserError, match="no such file"):
        tasks.find("translate").look([tmp_path / "absent.tsv"])


def test_two_files_of_pairs_are_no_source_and_target(tmp_path):
    paths = [tmp_path / name for name in ("train.tsv", "dev.tsv")]
    for path in paths:
        path.write_text("a\tb\nc\td\n")
    with pytest.raises(UserError, match="for pairs give one file"):
        look.translate(paths)


def test_what_is_held_out_is_counted_by_distinct_texts(tmp_path: Path) -> None:
    lines = [f"mis{number}\tword{number % 200}\n" for number in range(5000)]
    (tmp_path / "pairs.tsv").write_text("".join(lines))
    written = tasks.find("translate").look([tmp_path / "pairs.tsv"])
    assert "dev_size = 10\ntest_size = 10\n" in written
    (tmp_path / "pairs.tsv").write_text("a\tb\nc\td\n")
    with pytest.raises(UserError, match="2 pairs with 2 different targets: too few"):
        tasks.find("translate").look([tmp_path / "pairs.tsv"])


def test_the_two_keys_of_a_jsonl_are_its_sides(tmp_path: Path) -> None:
    path, recipe = tmp_path / "a.jsonl", tmp_path / "my.toml"
    rows = [f'{{"id": {n}, "en": "line {n} of text", "fr": "ligne {n}"}}\n' for n in range(30)]
    path.write_text("".join(rows))
    recipe.write_text(tasks.find("translate").look([path]))
    assert Recipe.read(recipe).sections.data.columns == ("en", "fr")  # type: ignore[attr-defined]
    path.write_text("".join(row.replace('"id": ', '"id": "x", "n": ') for row in rows))
    with pytest.raises(
        UserError, match="have the keys id, en, fr: leave two of them, or call two source and"
    ):
        tasks.find("translate").look([path])
    path.write_text(rows[0])
    with pytest.raises(
        UserError, match=r"a\.jsonl: 1 pair with 1 different target: too few to hold some out"
    ):
        tasks.find("translate").look([path])
