from __future__ import annotations

import os

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.errors import RunError, UserError
from unrolled.text import vectors

WORDS = ["the", "New York", "1 1/2", "東京", "2000", "a\u00a0b", "nan"]
MATRIX = np.random.default_rng(5).normal(size=(len(WORDS), 4)).astype(np.float32)
FORMS = ["word2vec", "glove", "binary"]


def spellable(form):
    rows = [i for i, word in enumerate(WORDS) if form != "binary" or " " not in word]
    return [WORDS[i] for i in rows], MATRIX[rows]


@pytest.fixture(params=FORMS)
def file(request, tmp_path):
    words, matrix = spellable(request.param)
    path = tmp_path / "vectors"
    vectors.write(path, words, matrix, request.param)
    return path, request.param, words, matrix


def test_round_trip(file):
    path, form, words, matrix = file
    assert vectors.layout(path) == (form, 4, None if form == "glove" else len(words))
    read, numbers = vectors.read(path)
    assert read == words
    assert numbers.dtype == np.float32
    assert np.array_equal(numbers, matrix)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    words=st.lists(st.text("abé.-/\u2028", min_size=1, max_size=4), min_size=1, max_size=5, unique=True),
    size=st.integers(2, 5),
    data=st.data(),
)
@pytest.mark.parametrize("form", FORMS)
def test_any_float32_round_trips(form, words, size, data, tmp_path):
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    matrix = np.array(
        data.draw(
            st.lists(st.lists(number, min_size=size, max_size=size), min_size=len(words), max_size=len(words))
        ),
        dtype=np.float32,
    )
    vectors.write(tmp_path / "vectors", words, matrix, form)
    read, numbers = vectors.read(tmp_path / "vectors")
    assert read == words
    assert np.array_equal(numbers, matrix)


def test_only_the_words_asked_for(file):
    path, _, words, matrix = file
    read, numbers = vectors.read(path, ["東京", "absent", "the"])
    assert read == ["the", "東京"]
    assert np.array_equal(numbers, matrix[[words.index(word) for word in read]])
    read, numbers = vectors.read(path, [])
    assert (read, numbers.shape) == ([], (0, 4))


def test_mapped_from_disk(file, tmp_path):
    path, _, words, matrix = file
    cache = tmp_path / "cache"
    for _ in range(2):
        read, numbers = vectors.open_mapped(path, cache)
        assert read == words
        assert np.array_equal(numbers, matrix)
        assert isinstance(numbers.base, np.memmap)
    assert len(list(cache.iterdir())) == 1
    # A changed file is read again.
    vectors.write(path, ["other"], np.ones((1, 3), dtype=np.float32))
    os.utime(path, ns=(1, 1))
    read, numbers = vectors.open_mapped(path, cache)
    assert (read, numbers.tolist()) == (["other"], [[1.0, 1.0, 1.0]])
    assert len(list(cache.iterdir())) == 1


def test_two_processes_may_copy_at_once(tmp_path, monkeypatch):
    path, cache = tmp_path / "v", tmp_path / "cache"
    vectors.write(path, ["a"], np.ones((1, 2), dtype=np.float32))
    copy = vectors._copy_aligned

    def twice(path, folder):
        copy(path, folder)
        copy(path, folder)  # the other process, which had not seen the folder either

    monkeypatch.setattr(vectors, "_copy_aligned", twice)
    assert vectors.open_mapped(path, cache)[1].tolist() == [[1, 1]]
    assert len(list(cache.iterdir())) == 1


def test_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    vectors.write(tmp_path / "v", ["a"], np.ones((1, 2), dtype=np.float32))
    vectors.open_mapped(tmp_path / "v")
    assert (tmp_path / "cache" / "unrolled" / "vectors").is_dir()
    (tmp_path / "full").write_text("a file where a folder is wanted")
    with pytest.raises(RunError, match="set XDG_CACHE_HOME"):
        vectors.open_mapped(tmp_path / "v", tmp_path / "full")
    with pytest.raises(UserError, match="no such file"):
        vectors.open_mapped(tmp_path / "none")


def test_a_damaged_file_leaves_no_cache(tmp_path):
    (tmp_path / "v").write_text("a 1 2\nb 1\n")
    with pytest.raises(UserError, match="v:2"):
        vectors.open_mapped(tmp_path / "v", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a 1 2 3\nb 1 2\nc 1 2 3\n", "v:2: a short row: 2 numbers, but the other vectors have 3"),
        ("a 1 2\nb 1 2 3\nc 1 2 3\n", "v:1: a short row: 2 numbers, but the other vectors have 3"),
        ("3 3\na 1 2\nb 1 2 3\nc 1 2 3\n", "v:2: a short row"),
        ("a 1 2\nb 0.5 1 2\nc 1 2\n", "v:2: a long row: more than 2 numbers"),
        ("2 2\na .1 .2 .3\nb .1 .2\n", "v:2: a long row"),
        ("New York 1\na 1 2\nb 1 2\n", "v:1: a short row: 1 numbers"),
        ("a 1 x 3\nb 1 2 3\nc 1 2 3", "v:1: .*'x'"),
        ("a 1 2\nb nan 2\n", "v:2: a number is not finite"),
        ("a 1 2\nb 1 -inf\n", "v:2: a number is not finite"),
        ("a 1 2\nb 1 1e39\n", "v:2: a number is not finite"),
        ("3 2\na 1 2\nb 1 2\n", "v: its first line promises 3 vectors, but it has 2"),
        ("5 2\n", "promises 5 vectors, but it has 0"),
        ("", "v: holds no vectors"),
        ("just words\nand words\n", "v:1: no vector file"),
    ],
)
def test_wrong_rows_are_named(content, message, tmp_path):
    path = tmp_path / "v"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        vectors.read(path)
    if "row" in message:  # found even where the row itself is not wanted
        with pytest.raises(UserError, match=message):
            vectors.read(path, ["nothing"])


def test_what_is_tolerated(tmp_path):
    path = tmp_path / "v"
    path.write_bytes(
        b"\xef\xbb\xbf2 2\r\na 1 2 \r\nb 3 4 \r\n"
    )  # the original program ends rows with a space
    words, matrix = vectors.read(path)
    assert (words, matrix.tolist()) == (["a", "b"], [[1, 2], [3, 4]])
    path.write_text("a 1 2\na 3 4\n\nb 5 6\n")
    words, matrix = vectors.read(path)
    assert (words, matrix.tolist()) == (["a", "b"], [[1, 2], [5, 6]])
    path.write_text("0 7\n")
    assert vectors.read(path)[1].shape == (0, 7)


def test_binary_rows_with_and_without_line_feeds(tmp_path):
    path = tmp_path / "v"
    rows = [word.encode() + b" " + row.tobytes() for word, row in zip("abc", MATRIX, strict=False)]
    for between in (b"\n", b""):
        path.write_bytes(b"3 4\n" + between.join(rows))
        words, matrix = vectors.read(path)
        assert words == ["a", "b", "c"]
        assert np.array_equal(matrix, MATRIX[:3])
    path.write_bytes(b"3 4\n" + b"".join(rows)[:-3])
    with pytest.raises(UserError, match="vector 3 of 3 is cut short"):
        vectors.read(path)


def test_a_binary_vector_that_is_not_finite_is_named(tmp_path):
    rows = [np.array([1, 2], "<f4"), np.array([1, np.nan], "<f4")]
    path = tmp_path / "v"
    path.write_bytes(b"2 2\n" + b"".join(b"w " + row.tobytes() + b"\n" for row in rows))
    with pytest.raises(UserError, match="v: vector 2 of 2: a number is not finite"):
        vectors.read(path)


def test_a_binary_file_larger_than_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "_CHUNK", 64)
    matrix = np.random.default_rng(6).normal(size=(500, 20)).astype(np.float32)
    words = [f"word{i}" for i in range(500)]
    vectors.write(tmp_path / "v", words, matrix, "binary")
    read, numbers = vectors.read(tmp_path / "v")
    assert read == words
    assert np.array_equal(numbers, matrix)


def test_what_cannot_be_written(tmp_path):
    ones = np.ones((1, 2), dtype=np.float32)
    for words, form, message in (
        (["a b"], "binary", "v: the form binary cannot hold the word 'a b'; word2vec and glove can"),
        (["a\nb"], "glove", "cannot hold the word 'a.nb'; no form can"),
    ):
        with pytest.raises(UserError, match=message):
            vectors.write(tmp_path / "v", words, ones, form)
    with pytest.raises(ValueError, match="2 words, but 1 vectors"):
        vectors.write(tmp_path / "v", ["a", "b"], ones)
    with pytest.raises(RunError, match="cannot write"):
        vectors.write(tmp_path / "none" / "v", ["a"], ones)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its file open
def test_gensim_reads_what_we_write(form, tmp_path):
    # Words without spaces: gensim splits its lines at all of them.
    words, matrix = [word.replace(" ", "_") for word in WORDS], MATRIX
    path = tmp_path / "vectors"
    vectors.write(path, words, matrix, form)
    theirs = KeyedVectors.load_word2vec_format(
        str(path), binary=form == "binary", no_header=form == "glove", datatype=np.float32
    )
    assert theirs.index_to_key == words
    assert np.array_equal(theirs.vectors, matrix)


@pytest.mark.parametrize("form", FORMS)
def test_we_read_what_gensim_writes(form, tmp_path):
    words = [word.replace(" ", "_") for word in WORDS]
    theirs = KeyedVectors(4)
    theirs.add_vectors(words, MATRIX)
    path = tmp_path / "vectors"
    theirs.save_word2vec_format(str(path), binary=form == "binary", write_header=form != "glove")
    read, matrix = vectors.read(path)
    assert vectors.layout(path).form == form
    assert read == words
    assert np.allclose(matrix, MATRIX, rtol=1e-6)  # its text has as many digits as Python prints
