from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.text.detokenize import detokenize
from unrolled.text.settings import TokenizerSettings
from unrolled.text.tokenizer import Tokenizer
from unrolled.text.writing import Writer

TEXT = [
    'the cat said " hello , Ann " .',
    "I can not ( do n't ) pay $ 5 @-@ 6 !",
    "it 's ü — ça 日本 。 a b",
    '" x',
]
TOKENIZERS = {
    kind: Tokenizer.train(TEXT, TokenizerSettings(kind=kind, size=300 if kind == "bpe" else None))
    for kind in ("word", "symbol", "character", "byte", "bpe")
}


def lines_of(tokenizer: Tokenizer, ids: list[int]) -> str:
    lines: list[list[int]] = [[]]
    for token in ids:
        if token == tokenizer.eos:
            lines.append([])
        else:
            lines[-1].append(token)
    texts = [tokenizer.decode(line) for line in lines]
    return "\n".join(map(detokenize, texts) if tokenizer.kind == "word" else texts)


@given(kind=st.sampled_from(sorted(TOKENIZERS)), draws=st.lists(st.integers(0, 10**6), max_size=40))
def test_pieces_are_the_text_of_the_lines(kind: str, draws: list[int]) -> None:
    tokenizer = TOKENIZERS[kind]
    ids = [3 + draw % (tokenizer.size - 3) for draw in draws]
    if kind in ("byte", "bpe"):  # any bytes together may be no text, and then nothing need be equal
        ids = [i for i in ids if i == 3 or "\\x" not in tokenizer.vocabulary[i]]
    if kind == "word":  # marks that pair in no sensible way may have a space too few or too many
        ids = [i for i in ids if tokenizer.vocabulary[i] != '"']
    writer = Writer(tokenizer, line_ends=True)
    pieces = [writer.add(token) for token in ids]
    assert "".join([*pieces, writer.close()]) == lines_of(tokenizer, ids)


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("line", TEXT)
@pytest.mark.parametrize("prompt", [0, 3])
def test_texts_come_back_after_any_prompt(kind: str, line: str, prompt: int) -> None:
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer.encode(line).tolist()
    begin = tokenizer.decode(ids[:prompt])
    writer = Writer(tokenizer, begin, ids[:prompt])
    pieces = [writer.add(token) for token in ids[prompt:]]
    whole = "".join([*pieces, writer.close()])
    assert whole == (detokenize(line) if kind == "word" else line)
    if kind in ("character", "byte"):
        assert sum(map(bool, pieces)) == len(line) - len(begin)


def test_words_wait_only_for_what_may_change_them() -> None:
    tokenizer = TOKENIZERS["word"]
    writer = Writer(tokenizer, "the")
    pieces = [writer.add(i) for i in tokenizer.encode('cat said Ann " hello , a " b x')]
    assert pieces == ["", "the", " cat", " said", "", "", "", " Ann", ' "hello,', ' a"']


def test_without_line_ends_eos_is_nothing() -> None:
    tokenizer = TOKENIZERS["word"]
    writer = Writer(tokenizer)
    pieces = [writer.add(i) for i in [*tokenizer.encode("the cat"), tokenizer.eos]]
    assert "".join([*pieces, writer.close()]) == "the cat"


def test_a_prompt_of_several_lines() -> None:
    for kind in ("word", "bpe"):
        tokenizer = TOKENIZERS[kind]
        ids = [*tokenizer.encode("a b"), tokenizer.eos, *tokenizer.encode("the")]
        writer = Writer(tokenizer, "a b\nthe", ids, line_ends=True)
        pieces = [writer.add(i) for i in [*tokenizer.encode("cat"), tokenizer.eos, *tokenizer.encode("x")]]
        assert "".join([*pieces, writer.close()]) == "a b\nthe cat\nx"
