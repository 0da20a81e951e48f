from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks import look_labels


def read(recipe: str, tmp_path: Path) -> dict:
    """The recipe as data; it is one that training accepts."""
    (tmp_path / "my.toml").write_text(recipe, encoding="utf-8")
    Recipe.read(tmp_path / "my.toml")
    return tomllib.loads(recipe)


def test_a_tsv_with_the_label_first(tmp_path: Path) -> None:
    path = tmp_path / "reviews.txt"
    rows = [
        f"{'good' if number % 10 else 'bad'}\tSentence {number}, and more of it." for number in range(200)
    ]
    path.write_bytes(("\n".join(rows) + "\ngood\tcaf\u00e9\n").encode("latin-1"))
    recipe = look_labels.classify([path])
    assert "# A classifier for 201 texts with 2 labels: good 181, bad 20." in recipe
    found = read(recipe, tmp_path)
    assert found["data"]["columns"] == [2, 1]
    assert found["data"]["format"] == "tsv"
    assert found["data"]["encoding"] == "latin-1"
    assert found["data"]["dev_size"] == found["data"]["test_size"] == 20
    assert found["text"]["kind"] == "bpe", "commas stick to words"
    assert found["training"]["class_weights"] == "balanced"


def test_lines_that_begin_with_a_label(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / name).write_text("".join(f"{n % 3} text {n} here\n" for n in range(60)))
    found = read(look_labels.classify([tmp_path / n for n in ("train", "dev", "test")]), tmp_path)
    assert [Path(found["data"][part]).name for part in ("train", "dev", "test")] == ["train", "dev", "test"]
    assert found["text"]["kind"] == "word"
    assert found["data"]["max_length"] == 4


def test_text_where_labels_should_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"word{n} and more\n" for n in range(100)))
    with pytest.raises(UserError, match="100 different labels in 100 texts"):
        look_labels.classify([tmp_path / "a.txt"])
    with pytest.raises(UserError, match="not 4 paths"):
        look_labels.classify([tmp_path / "a.txt"] * 4)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-X I-X O", "IOB2"),
        ("I-X I-X O", "IOB1"),
        ("S-X B-X E-X", "IOBES"),
        ("NOUN VERB ADV", "none"),
        ("O O O", "none"),
    ],
)
def test_the_scheme_is_found(tmp_path: Path, tags: str, scheme: str) -> None:
    (tmp_path / "a.conll").write_text("".join(f"w{n} {tag}\n" for n, tag in enumerate(tags.split())))
    found = read(look_labels.tag([tmp_path / "a.conll"] * 3), tmp_path)  # too few to hold some out
    assert found["data"]["scheme"] == scheme


def test_what_is_hardly_labelled_is_refused(tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("".join(f"word{i % 40} and more\n" for i in range(200)))
    with pytest.raises(UserError, match=r"40 labels in 200 texts, such as .* unrolled new tag"):
        look_labels.classify([plain])
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"word{i}\tWORD{i}\n" for i in range(60)))
    with pytest.raises(UserError, match="one sentence with 60 different tags"):
        look_labels.tag([pairs])


def test_what_data_hold_stays_within_its_comment(tmp_path: Path) -> None:
    one, other = '{"text": "fine %d", "label": "a\\nb"}\n', '{"text": "bad %d", "label": "c"}\n'
    lines = [each % number for number in range(9) for each in (one, other)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    (tmp_path / "a.toml").write_text(look_labels.classify([tmp_path / "a.jsonl"]))
    assert Recipe.read(tmp_path / "a.toml").task == "classify"


def test_what_is_held_out_is_counted_by_distinct_texts(tmp_path: Path) -> None:
    lines = [f"{'on' if n % 2 else 'off'} switch lamp {n % 150}\n" for n in range(1000)]
    (tmp_path / "a.txt").write_text("".join(lines))
    assert "dev_size = 15" in look_labels.classify([tmp_path / "a.txt"])
    (tmp_path / "a.txt").write_text("on lamp\noff light\n")
    with pytest.raises(UserError, match="2 different examples are too few"):
        look_labels.classify([tmp_path / "a.txt"])


def test_unbroken_texts_are_read_by_their_characters(tmp_path: Path) -> None:
    names = [f"{'Irish' if n % 2 else 'Czech'}\tname{n}\n" for n in range(400)]
    (tmp_path / "a.tsv").write_text("".join(names))
    written = look_labels.classify([tmp_path / "a.tsv"])
    assert 'kind = "character"' in written
    assert "characters a text" in written


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("sentence\tlabel", "It was {n} {w}\t{label}", [1, 2]),
        ("id\tlabel\ttext", "{n}\t{label}\tIt was {n} {w}", [3, 2]),
        ("source\tok\tnote\tsentence", "gj{m}\t{label}\t\tIt was {n} {w}", [4, 2]),
    ],
)
def test_a_header_is_no_example_and_the_columns_are_found(
    tmp_path: Path, header: str, row: str, columns: list[int]
) -> None:
    rows = [row.format(n=n, m=n % 7, w="fine" * (n % 3), label=n % 2) for n in range(60)]
    (tmp_path / "a.tsv").write_text("\n".join([header, *rows]) + "\n")
    written = look_labels.classify([tmp_path / "a.tsv"])
    assert "60 texts with 2 labels" in written
    assert f"# line 1 names the columns: {', '.join(header.split(chr(9)))}" in written
    data = read(written, tmp_path)["data"]
    assert (data["columns"], data["header"]) == (columns, True)
    assert ("# of " in written) == (len(header.split("\t")) > 2)
    (tmp_path / "a.tsv").write_text("\n".join(rows) + "\n")
    assert "header =" not in look_labels.classify([tmp_path / "a.tsv"])


def test_a_dollar_in_a_path_begins_no_variable(tmp_path: Path) -> None:
    folder = tmp_path / "a$b"
    folder.mkdir()
    (folder / "a$c.txt").write_text("".join(f"{n % 3} text {n} here\n" for n in range(60)))
    assert "a$$b/a$$c.txt" in look_labels.classify([folder / "a$c.txt"])


def test_the_two_keys_of_a_jsonl_are_text_and_label(tmp_path: Path) -> None:
    rows = [f'{{"stars": "{n % 3}", "review": "It was {n}."}}\n' for n in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(rows))
    assert read(look_labels.classify([tmp_path / "a.jsonl"]), tmp_path)["data"]["columns"] == [
        "review",
        "stars",
    ]
