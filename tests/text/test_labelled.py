from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.errors import UserError
from unrolled.text import LabelledCorpus, LabelledData, class_weights


def read(path: Path, **settings: Any) -> list[tuple[str, tuple[str, ...]]]:
    corpus = LabelledCorpus(LabelledData(train=str(path), **settings))
    return [(example.text, example.labels) for example in corpus.read("train")]


def test_a_label_a_space_and_a_text(tmp_path: Path) -> None:
    path = tmp_path / "TREC.train"
    path.write_bytes("NUM:dist How far ?\nHUM:desc Who is Jos\u00e9 ?\n".encode("latin-1"))
    assert read(path, encoding="latin-1", label_until=":") == [
        ("How far ?", ("NUM",)),
        ("Who is Jos\u00e9 ?", ("HUM",)),
    ]
    with pytest.raises(UserError, match=r"TREC\.train:2: not valid UTF-8"):
        read(path)
    path.write_text("1\n")
    with pytest.raises(UserError, match=r"TREC\.train:1: a label and a text are wanted"):
        read(path)


def test_tables(tmp_path: Path) -> None:
    tsv, jsonl = tmp_path / "a.tsv", tmp_path / "a.jsonl"
    tsv.write_text("a text\tx\n")
    jsonl.write_text('{"text": "a text", "label": "x", "stars": 3}\n')
    assert read(tsv) == read(jsonl) == [("a text", ("x",))]
    assert read(tsv, columns=(2, 1)) == [("x", ("a text",))]
    assert read(jsonl, columns=("text", "stars")) == [("a text", ("3",))]
    with pytest.raises(UserError, match=r"a\.tsv:1: column 3 is wanted, but this line has 2"):
        read(tsv, columns=(1, 3))
    with pytest.raises(UserError, match=r"data\.columns must be keys of a JSONL"):
        read(jsonl, columns=(1, 2))
    with pytest.raises(UserError, match=r"no key 'lable'"):
        read(jsonl, columns=("text", "lable"))


def test_columns_are_of_tables(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good film\tpos\nbad film\tneg\n")
    with pytest.raises(UserError, match=r'a\.txt: data\.columns and data\.header .* data\.format = "tsv"'):
        read(tmp_path / "a.txt", columns=(1, 2))


def test_several_labels(tmp_path: Path) -> None:
    tsv, jsonl = tmp_path / "a.tsv", tmp_path / "a.jsonl"
    tsv.write_text("one\tx, y\nnone\t\n")
    jsonl.write_text('{"text": "one", "label": ["x", "y"]}\n{"text": "none", "label": []}\n')
    wanted = [("one", ("x", "y")), ("none", ())]
    assert read(tsv, several=True) == wanted
    assert read(jsonl, several=True) == wanted
    jsonl.write_text('{"text": "one", "m": {"l": ["x", "y"]}}\n')
    assert read(jsonl, several=True, columns=("text", "m.l")) == wanted[:1]
    with pytest.raises(UserError, match=r"a\.tsv:2: the label is empty"):
        read(tsv)
    jsonl.write_text('{"text": "one", "label": ["x", "y"]}\n')
    with pytest.raises(UserError, match=r"'label' holds no text but list"):
        read(jsonl)


def test_folders_and_the_labels_that_are_wanted(tmp_path: Path) -> None:
    for name in ("neg", "pos", "unsup"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.txt").write_text(f"a {name}\nreview")
    assert read(tmp_path / "set", labels=["neg", "pos"]) == [
        ("a neg review", ("neg",)),
        ("a pos review", ("pos",)),
    ]


def test_class_weights() -> None:
    names, counts = ["a", "b"], np.array([30, 10])
    assert class_weights("none", counts, names) is None
    balanced = class_weights("balanced", counts, names)
    assert balanced is not None
    assert (balanced * counts).tolist() == pytest.approx([20, 20])
    given = class_weights({"b": 2.5}, counts, names)
    assert given is not None
    assert given.tolist() == [1, 2.5]
    with pytest.raises(UserError, match=r"class_weights: no label 'c'"):
        class_weights({"c": 1.0}, counts, names)
    with pytest.raises(UserError, match=r"a = -1\.0: should be 0 or more"):
        class_weights({"a": -1.0}, counts, names)


def test_imdb_is_read_within_its_archive(data: Path) -> None:
    corpus = LabelledCorpus(LabelledData(train=str(data / "imdb/aclImdb.tar.gz/aclImdb/train")))
    counts: dict[str, int] = {}
    for example in corpus.read("train"):
        counts[example.labels[0]] = counts.get(example.labels[0], 0) + 1
    assert counts == {"neg": 12_500, "pos": 12_500}


def test_labels_have_no_white_space_around_them_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\none\tpos \ntwo\t pos\n \nthree\tneg\nfour\todd\n")
    data = LabelledData(train=str(path), header=True, labels=["pos", "neg"])
    corpus = LabelledCorpus(data)
    assert [each.labels for each in corpus.read("train")] == [("pos",), ("pos",), ("neg",)]
    assert corpus.left_out == {str(path): 1}
    path.write_text("one\t \n")
    with pytest.raises(UserError, match=r"a\.tsv:1: the label is empty"):
        read(path)


def test_a_label_that_is_cut_from_two_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("one\tNUM:a,NUM:b,HUM:c,HUM:c\n")
    assert read(path, several=True, label_until=":") == [("one", ("NUM", "HUM"))]
