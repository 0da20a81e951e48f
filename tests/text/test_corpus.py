from __future__ import annotations

import json
import sys
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.text import corpus
from unrolled.text.corpus import Record


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: bytes | str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


lines = st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=9))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=lines, end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans(), last=st.booleans())
def test_lines_round_trip(lines, end, bom, last, write):
    # What looks like an end or a mark of its own is not what this test is about.
    lines = [line.rstrip("\r").removeprefix("\ufeff") or "x" for line in lines]
    text = "\ufeff" * bom + end.join(lines) + end * (last and bool(lines))
    assert list(corpus.read_lines(write("f", text))) == lines


def test_a_line_ends_at_a_line_feed_alone(write):
    odd = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\rh"
    assert list(corpus.read_lines(write("f", odd + "\nsecond"))) == [odd, "second"]


def test_reading_streams(write):
    path = write("f", b"good\nbad \xff\nnever")
    reader = corpus.read_lines(path)
    assert next(reader) == "good"
    with pytest.raises(UserError, match=rf"{path}:2: not valid UTF-8 \(byte 0xff at position 5\)"):
        next(reader)


def test_other_encodings(write):
    path = write("f", "crème\n".encode("latin-1"))
    assert list(corpus.read_lines(path, "latin-1")) == ["crème"]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="none: no such file"):
        next(corpus.read_lines(tmp_path / "none"))
    with pytest.raises(UserError, match="is a folder"):
        next(corpus.read_lines(tmp_path))


def test_plain_lines(write):
    path = write("f", "a\n\nb\n")
    assert [(record.fields, record.line) for record in corpus.read_plain(path)] == [
        (("a",), 1),
        (("",), 2),
        (("b",), 3),
    ]


def test_parallel_files(write):
    paths = [write("f.fr", "un\ndeux\n"), write("f.en", "one\ntwo")]
    assert list(corpus.read_parallel(paths)) == [
        Record(("un", "one"), str(paths[0]), 1),
        Record(("deux", "two"), str(paths[0]), 2),
    ]


@pytest.mark.parametrize(("left", "right"), [("a\nb\nc\n", "a\n"), ("a\n", "a\nb\nc\n"), ("", "a\n")])
def test_parallel_files_of_unequal_length(left, right, write):
    paths = [write("f.fr", left), write("f.en", right)]
    counts = left.count("\n"), right.count("\n")
    with pytest.raises(UserError, match=f"f.fr has {counts[0]} lines? but .*f.en has {counts[1]} lines?"):
        list(corpus.read_parallel(paths))


def test_tsv_columns_count_from_one(write):
    path = write("f.tsv", "x\tun\tone\tmore\n\ny\tdeux\ttwo\n")
    records = list(corpus.read_tsv(path, (3, 2)))
    assert records == [Record(("one", "un"), str(path), 1), Record(("two", "deux"), str(path), 3)]
    with pytest.raises(UserError, match=r"f.tsv:3: column 4 is wanted, but this line has 3"):
        list(corpus.read_tsv(path, (1, 4)))
    with pytest.raises(UserError, match="columns count from 1"):
        list(corpus.read_tsv(path, (0, 1)))


def test_tsv_has_no_quoting(write):
    assert next(corpus.read_tsv(write("f", 'say "a\tb" twice\n'), (1, 2))).fields == ('say "a', 'b" twice')


def test_jsonl(write):
    rows = [{"translation": {"en": "one", "fr": "un"}, "n": 1, "a.b": "dotted"}]
    path = write("f.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    assert [record.fields for record in corpus.read_jsonl(path, ["translation.en", "n", "a.b"])] == [
        ("one", "1", "dotted")
    ]
    for key, message in [
        ("translatoin.en", "did you mean 'translation'"),
        ("translation.eng", "did you mean 'en'"),
        ("n.x", "not an object with a key 'x'"),
        ("translation", "holds no text but dict"),
    ]:
        with pytest.raises(UserError, match=f"f.jsonl:1: .*{message}"):
            list(corpus.read_jsonl(path, [key]))


@pytest.mark.parametrize(("line", "message"), [("{'a': 1}", "not JSON"), ("[1]", "not an object")])
def test_bad_jsonl(line, message, write):
    with pytest.raises(UserError, match=f"f.jsonl:2: {message}"):
        list(corpus.read_jsonl(write("f.jsonl", '{"a": "b"}\n' + line), ["a"]))


def test_tables_by_ending(write):
    tsv, jsonl = write("f.txt", "un\tone\n"), write("f.JSONL", '{"source": "un", "target": "one"}\n')
    defaults = ("source", "target")
    for path in (tsv, jsonl):
        assert [record.fields for record in corpus.read_table(path, None, defaults)] == [("un", "one")]
    assert next(corpus.read_table(tsv, (2, 1), defaults)).fields == ("one", "un")
    assert next(corpus.read_table(jsonl, ("target", "source"), defaults)).fields == ("one", "un")
    with pytest.raises(UserError, match="must be column numbers"):
        corpus.read_table(tsv, ("a", "b"), defaults)
    with pytest.raises(UserError, match="must name keys"):
        corpus.read_table(jsonl, (1, 2), defaults)


def test_labelled_lines(write):
    path = write("f", "1 a fine film \n0\tdull\n\n")
    assert [record.fields for record in corpus.read_labelled(path)] == [("a fine film", "1"), ("dull", "0")]
    with pytest.raises(UserError, match="f:2: a label and a text"):
        list(corpus.read_labelled(write("f", "1 a\n0 \n")))


def test_one_folder_a_class(write, tmp_path):
    write("set/pos/2.txt", "good\nfilm\n")
    write("set/pos/1.txt", "fine")
    write("set/neg/1.txt", "bad")
    write("set/README", "not a class")
    records = list(corpus.read_folders(tmp_path / "set"))
    assert [record.fields for record in records] == [("bad", "neg"), ("fine", "pos"), ("good film", "pos")]
    with pytest.raises(UserError, match="no such folder"):
        list(corpus.read_folders(tmp_path / "none"))
    with pytest.raises(UserError, match="one folder a class"):
        list(corpus.read_folders(tmp_path / "set" / "pos"))


def test_hugging_face_data_sets(monkeypatch):
    def load_dataset(name, config, split, streaming):
        assert (name, config, split, streaming) == ("opus", "en-fr", "train", True)
        return iter([{"translation": {"en": "one", "fr": "un"}}, {"translation": {"en": "two"}}])

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    records = corpus.read_dataset("opus", "en-fr", "train", ["translation.fr", "translation.en"])
    assert next(records) == Record(("un", "one"), "huggingface:opus", 1)
    with pytest.raises(UserError, match="huggingface:opus:2: no key 'fr'"):
        next(records)


def test_hugging_face_trouble_is_one_line(monkeypatch):
    def load_dataset(*args, **options):
        raise ConnectionError("no network")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(UserError, match=r"huggingface:x: cannot be loaded .*no network"):
        next(corpus.read_dataset("x", None, "train", ["a"]))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'unrolled\[datasets\]'"):
        next(corpus.read_dataset("x", None, "train", ["a"]))


def test_half_a_character_is_told_with_its_place(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": "fine"}\n{"a": "cut \\ud83d"}\n')
    with pytest.raises(UserError, match=r"a\.jsonl:2: 'a' holds half a character"):
        list(corpus.read_jsonl(tmp_path / "a.jsonl", ["a"]))


def test_lines_of_white_space_and_a_header_are_no_examples(write):
    path = write("a.tsv", "de\ten\na\tb\n  \nc\td\n")
    records = corpus.read_table(path, None, ["source", "target"], header=True)
    assert [(each.fields, each.line) for each in records] == [(("a", "b"), 2), (("c", "d"), 4)]


@pytest.mark.parametrize(("head", "form"), [(b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "zip")])
def test_a_compressed_file_is_told_as_such(write, head, form):
    with pytest.raises(UserError, match=rf"a\.tsv\.gz: compressed \({form}\): unpack it first"):
        list(corpus.read_lines(write("a.tsv.gz", head + b"\x00\xff\n")))


def test_long_lines_in_pieces_that_end_at_a_space(write):
    path = write("a.txt", "one two three\nfour\nfive sixsixsix seven eight nine\nten eleven")
    found = list(corpus.read_lines(path, longest=8))
    assert " ".join(found).split() == path.read_text().split()
    assert found == ["one two", "three", "four", "five", "sixsixsix", "seven", "eight nine", "ten", "eleven"]
    assert list(corpus.read_lines(path, longest=100)) == path.read_text().split("\n")


@pytest.mark.parametrize("longest", [None, 4, 8, 100])
def test_a_broken_line_after_long_ones_has_its_own_number(write, longest):
    path = write("a.txt", b"\xef\xbb\xbfone two three four\nseven eight nine\nbad \xff\n")
    with pytest.raises(UserError, match=r"a\.txt:3: not valid UTF-8"):
        list(corpus.read_lines(path, longest=longest))


def test_what_has_no_spaces_is_cut_between_characters(write):
    text = "吾輩は猫である。" * 50
    found = list(corpus.read_lines(write("a.txt", text + "\nend"), longest=8))
    assert "".join(found) == text + "end"
    assert max(len(piece.encode()) for piece in found) <= 5 * 8


def test_the_keys_that_hold_texts(write):
    path = write("a.jsonl", '{"n": 1, "translation": {"en": "a", "fr": "b"}, "id": "x"}\n')
    assert corpus.text_keys(path) == ["translation.en", "translation.fr", "id"]
    assert corpus.text_keys(write("b.jsonl", "\n")) == []
    with pytest.raises(
        UserError, match=r"no key 'source'; known: .* \(data\.columns, of plain text data\.column"
    ):
        list(corpus.read_jsonl(path, ["source"]))


def test_hidden_files_are_no_texts(tmp_path):
    for name in ("pos/1.txt", "pos/.DS_Store", ".cache/2.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"good" if name == "pos/1.txt" else b"\xff")
    assert [each.fields for each in corpus.read_folders(tmp_path)] == [("good", "pos")]
