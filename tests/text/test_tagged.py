from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.errors import UserError
from unrolled.text import TaggedCorpus, TaggedData, columns


def test_columns_and_conllu_by_the_ending(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("EU NNP B-ORG\n")
    (tmp_path / "a.conllu").write_text("1\tdo\t_\tAUX\tVBP" + "\t_" * 5 + "\n")
    (plain,) = TaggedCorpus(TaggedData(train=str(tmp_path / "a.txt"))).read("train")
    assert (plain.words, plain.tags) == (("EU",), ("B-ORG",))
    (universal,) = TaggedCorpus(TaggedData(train=str(tmp_path / "a.conllu"), tag="xpos")).read("train")
    assert (universal.words, universal.tags) == (("do",), ("VBP",))
    with pytest.raises(UserError, match=r"data\.tag must be a column's number"):
        list(TaggedCorpus(TaggedData(train=str(tmp_path / "a.txt"), tag="upos")).read("train"))
    with pytest.raises(UserError, match=r"data\.tag = 4: of CoNLL-U give the column's name"):
        list(TaggedCorpus(TaggedData(train=str(tmp_path / "a.conllu"), tag=4)).read("train"))


def test_a_sentence_is_in_one_part_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a O\n\nb O\n\nc O\n\na O\n")
    corpus = TaggedCorpus(TaggedData(train=str(tmp_path / "a"), dev_size=1))
    train, dev = ({example.words for example in corpus.read(part)} for part in ("train", "dev"))  # type: ignore[arg-type]
    assert len(train | dev) == 3
    assert not train & dev


def test_sentences_to_tag_need_no_tag() -> None:
    conllu = columns(TaggedData(train="x", tag=4), conllu=True)
    assert [*conllu.tagged([(1, "1\tdo" + "\t_" * 8)], ["AUX"])] == ["1\tdo\t_\tAUX" + "\t_" * 6]
    assert columns(TaggedData(train="x", word=2), conllu=False).words([(1, "1 a")], "f") == ["a"]
    with pytest.raises(UserError, match=r"f:1: column 2 is wanted"):
        columns(TaggedData(train="x", word=2), conllu=False).words([(1, "a")], "f")
