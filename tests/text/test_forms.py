from __future__ import annotations

from pathlib import Path

from unrolled.text import Forms, Numbers, Tokenizer, TokenizerSettings


def test_words_are_numbered_as_they_come() -> None:
    numbers = Numbers()
    assert numbers.of(["b", "a", "b"]).tolist() == [0, 1, 0]
    assert numbers.of([]).tolist() == []
    assert numbers.of(["c", "a"]).tolist() == [2, 1]
    assert list(numbers) == ["b", "a", "c"]


def test_every_form_has_one_id_however_it_is_spelled(tmp_path: Path) -> None:
    words = Tokenizer.train(["one two"], TokenizerSettings(kind="symbol", lowercase=True))
    characters = Tokenizer.train(["one two"], TokenizerSettings(kind="character"))
    made = Forms.spelled(["Two", "1 000", "", "one"], words, characters)
    made.write(tmp_path)
    for forms in (made, Forms.open(tmp_path)):
        assert forms.words.tolist() == [words.id("two"), words.unk, words.unk, words.id("one"), words.eos]
        assert [len(each) for each in forms.characters] == [3, 5, 0, 3, 0]
        assert forms.end == 4


def test_the_number_of_a_token_by_itself_is_its_id() -> None:
    tokens = Tokenizer.train(["one two"], TokenizerSettings())
    forms = Forms.whole(tokens)
    assert [forms.words[number] for number in tokens.encode("two x one")] == tokens.encode(
        "two x one"
    ).tolist()
    assert forms.words[forms.end] == tokens.eos
    assert len(forms.characters) == len(forms.words) == tokens.size + 1
