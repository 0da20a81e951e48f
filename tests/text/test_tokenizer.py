from __future__ import annotations

import json
import random
import unicodedata

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import UserError
from unrolled.text.settings import TokenizerSettings
from unrolled.text.tokenizer import Tokenizer

LINES = [
    "Jane visite l'Afrique en septembre .",
    "jane is visiting africa in september .",
    "Un café, s'il vous plaît !",
    "どこですか？ 東京",
    "a  b \t c",
    "<s> </s> <pad> <unk>",
    "",
]
KINDS = ["word", "symbol", "character", "byte", "bpe"]
EXACT = ["character", "byte", "bpe"]
# Several scripts and lengths in UTF-8, composed and decomposed accents, and odd line separators.
texts = st.text(
    st.sampled_from("abcdeABÉéß 'İǅ,.!<>/spdunk東京か\u0301\u2028\x85\x0b\x1c\t\U0001f600"), max_size=40
)


def make(kind: str, **options) -> Tokenizer:
    return Tokenizer.train(LINES, TokenizerSettings(kind=kind, **options))


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request) -> Tokenizer:
    return make(request.param)


def test_special_ids_are_the_first_four(tokenizer):
    assert (tokenizer.pad, tokenizer.unk, tokenizer.bos, tokenizer.eos) == (0, 1, 2, 3)
    assert tokenizer.tokens([0, 1, 2, 3]) == ["<pad>", "<unk>", "<s>", "</s>"]


def test_encode_adds_no_special_tokens_and_gives_int32(tokenizer):
    ids = tokenizer.encode(LINES[0])
    assert ids.dtype == np.int32
    assert ids.ndim == 1
    assert ids.min() > tokenizer.eos
    assert tokenizer.encode("").shape == (0,)


@pytest.mark.parametrize("word", ["<pad>", "<s>", "</s>", " <pad>", " </s>", "x </s> y", "<unk>"])
@pytest.mark.parametrize("seen", [True, False])
def test_text_cannot_spell_a_special_token(word, seen):
    for kind in KINDS:
        lines = [LINES[0], *([word] * 50 if seen else [])]
        tokenizer = Tokenizer.train(lines, TokenizerSettings(kind=kind))
        assert not {0, 2, 3} & set(tokenizer.encode(word).tolist()), kind
        if kind == "bpe":
            assert tokenizer.decode(tokenizer.encode(word)) == word


def test_prepared_corpora_spell_the_unknown_word():
    tokenizer = make("word")
    assert tokenizer.encode("jane <unk>").tolist() == [tokenizer.id("jane"), tokenizer.unk]
    assert tokenizer.vocabulary.count("<unk>") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_vocabulary_and_ids_agree(kind):
    tokenizer = make(kind)
    assert len(tokenizer.vocabulary) == tokenizer.size == len(tokenizer)
    assert all(tokenizer.vocabulary[tokenizer.id(token)] == token for token in tokenizer.vocabulary)
    assert tokenizer.id("no such token") is None


@pytest.mark.parametrize("kind", EXACT)
@settings(max_examples=200)
@given(line=texts)
def test_decode_gives_the_exact_normalised_text(kind, line):
    tokenizer = Tokenizer.train([*LINES, line], TokenizerSettings(kind=kind))
    assert tokenizer.decode(tokenizer.encode(line)) == unicodedata.normalize("NFC", line)


@settings(max_examples=200)
@given(line=st.text(max_size=30))
@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_bytes_and_byte_pairs_know_every_text(kind, line):
    tokenizer = Tokenizer.train(LINES, TokenizerSettings(kind=kind, normalize="none"))
    ids = tokenizer.encode(line)
    assert tokenizer.unk not in ids
    assert tokenizer.decode(ids) == line


@settings(max_examples=200)
@given(line=texts)
@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_library(kind, lowercase, line):
    tokenizer = make(kind, lowercase=lowercase)
    assert tokenizer.encode(line).tolist() == tokenizer._tokenizer.encode(line).ids


@settings(max_examples=100)
@given(words=st.lists(st.text("abcé.,", min_size=1, max_size=5), max_size=8))
def test_words_round_trip(words):
    line = " ".join(words)
    for kind in ("word", "symbol"):
        tokenizer = Tokenizer.train([line, "x"], TokenizerSettings(kind=kind))
        assert tokenizer.decode(tokenizer.encode(line)) == line
        assert tokenizer.pieces(line) == words


@settings(max_examples=200)
@given(line=texts)
@pytest.mark.parametrize("lowercase", [False, True])
def test_ids_of_runs_of_letters_are_those_of_the_library(lowercase, line):
    tokenizer = make("word", split="words", lowercase=lowercase)
    assert tokenizer.encode(line).tolist() == tokenizer._tokenizer.encode(line).ids


def test_runs_of_letters_and_marks_by_themselves(tmp_path):
    tokenizer = make("word", split="words", lowercase=True)
    tokenizer.save(tmp_path / "tokenizer.json")
    for each in (tokenizer, Tokenizer.load(tmp_path / "tokenizer.json")):
        assert each.pieces('It\'s 9/10 -- "wow"!') == [
            *("it's", "9", "/", "10", "-", "-", '"', "wow", '"', "!")
        ]
        assert each.pieces("हिन्दी में।") == ["हिन्दी", "में", "।"]
        assert each.words("It's") == ["It's"]
    with pytest.raises(ValueError, match='"words" is for kind = "word"'):
        TokenizerSettings(kind="bpe", split="words")


def test_words_split_at_any_white_space_and_symbols_at_spaces_alone():
    line = "a\u00a0b\tc  d"
    assert make("word").pieces(line) == ["a", "b", "c", "d"]
    assert make("symbol").pieces(line) == ["a\u00a0b\tc", "d"]


def test_pieces_show_unknown_words_as_they_stand():
    tokenizer = make("word", lowercase=True)
    line = "Jane visits Zanzibar"
    assert tokenizer.tokens(tokenizer.encode(line)) == ["jane", "<unk>", "<unk>"]
    assert tokenizer.pieces(line) == ["jane", "visits", "zanzibar"]


def test_tokens_of_byte_pairs_are_readable():
    tokenizer = make("bpe", size=300)
    line = "é 東"
    assert "".join(tokenizer.tokens(tokenizer.encode(line))).startswith("▁")
    assert "é" in "".join(tokenizer.pieces("café")) or "\\xc3" in "".join(tokenizer.pieces("café"))
    assert len(tokenizer.pieces(line)) == len(tokenizer.encode(line))


def test_frequent_tokens_get_low_ids_and_limits_are_honoured():
    lines = ["c c c b b a a d"]
    assert make_words(lines).vocabulary[4:] == ["c", "a", "b", "d"]
    assert make_words(lines, size=6).vocabulary[4:] == ["c", "a"]
    assert make_words(lines, min_count=2).vocabulary[4:] == ["c", "a", "b"]
    assert make_words(lines, min_count=2).encode("c d").tolist() == [4, 1]
    assert Tokenizer.train(lines * 9, TokenizerSettings(kind="bpe", size=261)).size == 261


def make_words(lines, **options) -> Tokenizer:
    return Tokenizer.train(lines, TokenizerSettings(kind="word", **options))


@pytest.mark.parametrize("kind", KINDS)
def test_lower_case_and_normal_form(kind):
    tokenizer = make(kind, lowercase=True)
    composed, decomposed = "JANE CAFÉ", "jane cafe\u0301"
    assert tokenizer.encode(composed).tolist() == tokenizer.encode(decomposed).tolist()
    assert tokenizer.normalize(composed) == "jane café"
    assert tokenizer.normalize("ABC") == "abc"
    unchanged = make(kind, normalize="none")
    assert unchanged.normalize(decomposed) == decomposed
    assert unchanged.normalize("ABC") == "ABC"


@pytest.mark.parametrize("kind", KINDS)
def test_encode_many_is_encode_of_each(kind):
    tokenizer = make(kind)
    rng = random.Random(7)
    lines = [" ".join(rng.choices(LINES, k=2)) for _ in range(5000)]
    many = tokenizer.encode_many(lines)
    assert len(many) == len(lines)
    for i in rng.sample(range(len(lines)), 50):
        assert many[i].tolist() == tokenizer.encode(lines[i]).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_save_and_load(kind, lowercase, tmp_path):
    tokenizer = make(kind, lowercase=lowercase)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    loaded = Tokenizer.load(path)
    assert loaded.kind == kind
    assert loaded.vocabulary == tokenizer.vocabulary
    for line in LINES:
        ids = tokenizer.encode(line)
        assert loaded.encode(line).tolist() == ids.tolist()
        assert loaded.decode(ids) == tokenizer.decode(ids)
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]
    # The file is the library's own.
    assert (
        tokenizers.Tokenizer.from_file(str(path)).encode(LINES[0]).ids == tokenizer.encode(LINES[0]).tolist()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_training_twice_gives_the_same_file(kind, tmp_path):
    for name in ("a", "b"):
        make(kind).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_decode_drops_pad_bos_eos_and_shows_unknowns():
    words = make("word")
    assert words.decode([2, 1, words.id("jane"), 3, 0, 0]) == "<unk> jane"
    characters = make("character")
    assert characters.decode([2, 1, characters.id("J"), 3]) == "\ufffdJ"


@pytest.mark.parametrize("kind", ["word", "symbol", "character", "bpe"])
@pytest.mark.parametrize("lines", [[], ["", ""]])
def test_an_empty_corpus_is_an_error(kind, lines):
    with pytest.raises(UserError, match="empty"):
        Tokenizer.train(lines, TokenizerSettings(kind=kind))


def test_bad_tokenizer_files(tmp_path):
    with pytest.raises(UserError, match="no such tokenizer"):
        Tokenizer.load(tmp_path / "none.json")
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"model": ')
    with pytest.raises(UserError, match="damaged"):
        Tokenizer.load(damaged)
    make("word").save(damaged)
    foreign = json.loads(damaged.read_text())
    foreign["model"]["vocab"] = {"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3}
    foreign["model"]["unk_token"] = "[UNK]"
    damaged.write_text(json.dumps(foreign))
    with pytest.raises(UserError, match=r"ids 0 to 3 are '\[PAD\]'"):
        Tokenizer.load(damaged)


def test_counting_forgets_rare_words_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr("unrolled.text.tokenizer._COUNTED", 50)
    lines = [f"the cat w{number} sat x{number}" for number in range(1000)]
    made = Tokenizer.train(lines, TokenizerSettings(kind="word", size=7))
    assert sorted(made.vocabulary[4:]) == ["cat", "sat", "the"]


def test_characters_of_tokens():
    text = ["ü b", "", "日本 x"]
    for kind in ("character", "byte", "bpe"):
        made = Tokenizer.train(text * 5, TokenizerSettings(kind=kind, size=270 if kind == "bpe" else None))
        stream = [i for line in text for i in [*made.encode(line).tolist(), made.eos]]
        counts = made.characters(np.array(stream))
        assert len(counts) == len(stream)
        assert counts.sum() == sum(len(line) + 1 for line in text)
