from __future__ import annotations

from collections.abc import Iterator

import pytest

from unrolled.errors import UserError
from unrolled.text.parts import Part, PartedCorpus
from unrolled.text.settings import Parted


class Words(PartedCorpus[str, Parted]):
    """Each word of a string; ``a2`` and ``a7`` belong together."""

    noun = "words"

    def read_origin(self, origin: str, part: Part) -> Iterator[str]:
        return iter(origin.split())

    def key(self, example: str) -> str:
        return example[0]


def test_parts_of_their_own() -> None:
    corpus = Words(Parted(train="a b", test="c"))
    assert corpus.parts() == ["train", "test"]
    assert list(corpus.read("train")) == ["a", "b"]
    assert list(corpus.read("test")) == ["c"]
    with pytest.raises(UserError, match=r"no dev part: give data\.dev or data\.dev_size"):
        list(corpus.read("dev"))


def test_held_out_examples_with_one_key_stay_together() -> None:
    train = "a1 b1 c1 d1 e1 f1 a2 b2 c2 d2"
    corpus = Words(Parted(train=train, dev_size=2, test_size=1))
    found = {part: list(corpus.read(part)) for part in ("train", "dev", "test")}
    assert sorted(word for words in found.values() for word in words) == sorted(train.split())
    keys = {part: {word[0] for word in words} for part, words in found.items()}
    assert [len(keys[part]) for part in ("train", "dev", "test")] == [3, 2, 1]
    assert not keys["train"] & keys["dev"] | keys["dev"] & keys["test"] | keys["train"] & keys["test"]


def test_an_empty_part_says_what_it_lacks() -> None:
    with pytest.raises(UserError, match=r"no words for data\.train"):
        list(Words(Parted(train="")).read("train"))


def test_what_is_held_out_is_read_from_where_the_training_data_are() -> None:
    asked = []

    class Hub(Words):
        def read_origin(self, origin: str, part: Part) -> Iterator[str]:
            asked.append(part)
            return super().read_origin(origin, part)

    list(Hub(Parted(train="a b c", dev_size=1)).read("dev"))
    assert set(asked) == {"train"}
    asked.clear()
    list(Hub(Parted(train="a b c", dev="d")).read("dev"))
    assert asked == ["dev"]
