from __future__ import annotations

import pytest

from unrolled.errors import UserError
from unrolled.text.corpus import Record, read_lines, read_plain
from unrolled.text.prepare import encode_records, train_tokenizers
from unrolled.text.settings import ParallelText, TokenizerSettings
from unrolled.text.store import IdStore
from unrolled.text.tokenizer import Tokenizer

PAIRS = [
    ("un", "one"),
    ("", "empty"),
    ("un deux", "one two"),
    ("a b c d", "long"),
    ("x", "  "),
    ("deux", "two"),
]
RECORDS = [Record(pair, "pairs.tsv", line) for line, pair in enumerate(PAIRS, 1)]
TEXT = ParallelText(source=TokenizerSettings(kind="word"), target=TokenizerSettings(kind="word"))


def run(tmp_path, records=RECORDS, **options):
    tokenizers = train_tokenizers(lambda: RECORDS, TEXT)
    paths = [tmp_path / "source", tmp_path / "target"]
    prepared = encode_records(records, tokenizers, paths, **options)
    stores = [IdStore.open(path) for path in paths]
    rows = [
        tuple(tokenizer.decode(row) for tokenizer, row in zip(tokenizers, pair, strict=True))
        for pair in zip(*stores, strict=True)
    ]
    return prepared, rows


def test_over_long_and_half_empty_training_pairs_are_left_out_and_counted(tmp_path):
    prepared, rows = run(tmp_path, max_length=3)
    assert rows == [("un", "one"), ("un deux", "one two"), ("deux", "two")]
    assert (prepared.kept, prepared.too_long, prepared.empty, prepared.left_out) == (3, 1, 2, 3)
    assert str(prepared) == (
        "3 pairs; 3 left out (1 too long and 2 empty on a side), the first at pairs.tsv:2"
    )


def test_other_parts_keep_every_line(tmp_path):
    prepared, rows = run(tmp_path)
    assert len(rows) == len(PAIRS) == prepared.kept
    assert rows[1] == ("", "empty")
    assert str(prepared) == "6 pairs"


def test_lines_that_end_make_a_stream(tmp_path):
    tokenizer = train_tokenizers(lambda: RECORDS, TEXT)[0]
    lines = [Record((text,), "f", line) for line, text in enumerate(["un deux", "", "x"], 1)]
    encode_records(lines, [tokenizer], [tmp_path / "stream"], end=tokenizer.eos)
    stream = IdStore.open(tmp_path / "stream").ids
    assert tokenizer.tokens(stream) == ["un", "deux", "</s>", "</s>", "x", "</s>"]


def test_nothing_left_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no pairs are left.*1 empty.*pairs\.tsv:2$"):
        run(tmp_path, RECORDS[1:2], max_length=3)
    with pytest.raises(UserError, match=r"no pairs are left.*1 too long.*; raise data\.max_length\?$"):
        run(tmp_path, RECORDS[:1], max_length=0)
    assert not (tmp_path / "source").exists()


def test_many_records_in_chunks_with_progress(tmp_path):
    seen = []
    prepared, rows = run(tmp_path, RECORDS * 2000, max_length=3, progress=lambda count, _: seen.append(count))
    assert seen[-1] == 12_000
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert prepared.kept == len(rows) == 6000
    assert rows[3:] == rows[:-3]


def test_one_vocabulary_for_both_sides():
    source, target = train_tokenizers(lambda: RECORDS, ParallelText(shared=True))
    assert source is target
    assert source.id("deux") is not None
    assert source.id("two") is not None
    source, target = train_tokenizers(lambda: RECORDS, TEXT)
    assert source.id("two") is None is target.id("deux")


@pytest.mark.parametrize(
    ("train", "test", "tokens", "types"),
    [
        ("ptb/ptb.train.txt", "ptb/ptb.test.txt", 82_430, 10_000),
        ("wikitext-2/train.txt", "wikitext-2/test.txt", 245_569, 33_278),
    ],
)
def test_streams_have_their_published_counts(data, train, test, tokens, types, tmp_path):
    tokenizer = Tokenizer.train(read_lines(data / train), TokenizerSettings(kind="word"))
    encode_records(read_plain(data / test), [tokenizer], [tmp_path / "test"], end=tokenizer.eos)
    assert len(IdStore.open(tmp_path / "test").ids) == tokens
    # The published counts have no symbol for padding or for a beginning.
    assert tokenizer.size - 2 == types
