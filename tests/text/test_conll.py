from __future__ import annotations

import pytest

from unrolled.errors import UserError
from unrolled.text.conll import Columns, blocks, read_columns, read_conllu


def test_columns(tmp_path):
    path = tmp_path / "f"
    path.write_text("-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n\nPeter NNP I-NP I-PER")
    sentences = list(read_columns(path))
    assert [(s.words, s.tags, s.line) for s in sentences] == [
        (("EU", "rejects"), ("I-ORG", "O"), 3),
        (("Peter",), ("I-PER",), 7),
    ]
    assert next(read_columns(path, tag=2)).tags == ("NNP", "VBZ")
    with pytest.raises(UserError, match="f:3: column 5 is wanted, but this line has 4"):
        next(read_columns(path, tag=5))


def test_a_line_without_a_tag(tmp_path):
    path = tmp_path / "f"
    path.write_text("a O\nb\n")
    with pytest.raises(UserError, match=r"f:2: 2 columns, as in the lines before it, are wanted, .* has 1"):
        list(read_columns(path))
    path.write_text("a DT O\nb DT\n")
    with pytest.raises(UserError, match="f:2: 3 columns"):  # else a part of speech would be taken for a tag
        list(read_columns(path))
    path.write_text("a\n")
    with pytest.raises(UserError, match="f:1: column 2 is wanted, but this line has 1"):
        list(read_columns(path))


def test_tabs_allow_spaces_in_words(tmp_path):
    path = tmp_path / "f"
    path.write_text("New York\tB-LOC\n\t\n# O\n")
    assert [s.words for s in read_columns(path)] == [("New York",), ("#",)]


def test_columns_are_divided_by_plain_spaces_alone(tmp_path):
    path = tmp_path / "f"
    path.write_text("10\u00a0000  CD NUM \n\u3000 SP PUNCT\n", encoding="utf-8")
    assert [(s.words, s.tags) for s in read_columns(path, tag=3)] == [
        (("10\u00a0000", "\u3000"), ("NUM", "PUNCT"))
    ]


def test_conllu(tmp_path):
    def row(*cells):
        return "\t".join([*cells, *"______"[: 10 - len(cells)]])

    path = tmp_path / "f.conllu"
    lines = [
        "# text = don't",
        row("1-2", "don't", "_", "_", "_"),
        row("1", "do", "do", "AUX", "VBP"),
        row("2", "n't", "not", "PART", "RB"),
        row("2.1", "go", "go", "VERB", "VB"),
        "",
        row("1", "#", "#", "SYM", "NN"),
    ]
    path.write_text("\n".join(lines))
    sentences = list(read_conllu(path))
    assert [(s.words, s.tags, s.line) for s in sentences] == [
        (("do", "n't"), ("AUX", "PART"), 3),
        (("#",), ("SYM",), 7),
    ]
    assert next(read_conllu(path, "xpos")).tags == ("VBP", "RB")
    with pytest.raises(UserError, match="no column 'pos'; did you mean"):
        next(read_conllu(path, "pos"))
    path.write_text("1\tdo\tdo\n")
    with pytest.raises(UserError, match=r"f\.conllu:1: 10 columns .* this line has 3"):
        next(read_conllu(path))


def test_tags_are_written_beside_the_words_or_in_their_column():
    block = [(1, "-DOCSTART- -X- O"), (2, "EU NNP O"), (3, "a\tDT\tO")]
    columns = Columns(word=1, tag=1)
    assert columns.words(block, "f") == ["EU", "a"]
    assert list(columns.tagged(block, ["X", "Y"])) == ["-DOCSTART- -X- O", "EU NNP O X", "a\tDT\tO\tY"]
    conllu = ["# text", "1-2\tdon't" + "\t_" * 8, "1\tdo" + "\t_" * 8, "2\tn't" + "\t_" * 8]
    block = list(enumerate(conllu, 1))
    columns = Columns.of_conllu("upos")
    assert columns.words(block, "f") == ["do", "n't"]
    tagged = list(columns.tagged(block, ["AUX", "PART"]))
    assert tagged[:2] == conllu[:2]
    assert tagged[2:] == [
        "1\tdo\t_\tAUX" + "\t_" * 6,
        "2\tn't\t_\tPART" + "\t_" * 6,
    ]


def test_blocks_know_their_lines():
    assert list(blocks(["", "a", "b", " ", "", "c"])) == [[(2, "a"), (3, "b")], [(6, "c")]]


@pytest.mark.parametrize(
    ("name", "sentences", "tokens"), [("eng.train", 14_041, 203_621), ("eng.testb", 3_453, 46_435)]
)
def test_conll2003_has_its_published_counts(data, name, sentences, tokens):
    read = list(read_columns(data / "conll2003" / name))
    assert (len(read), sum(len(sentence.words) for sentence in read)) == (sentences, tokens)


def test_ud_english_ewt_has_its_published_count(data):
    read = list(read_conllu(data / "ud-english-ewt" / "en_ewt-ud-test.conllu"))
    assert len(read) == 2_077
    assert len({tag for sentence in read for tag in sentence.tags}) == 17


def test_an_empty_tag_is_named(tmp_path):
    (tmp_path / "a.conll").write_text("dogs\tN\nrun\t\n")
    with pytest.raises(UserError, match=r"a\.conll:2: the tag is empty"):
        list(read_columns(tmp_path / "a.conll"))
