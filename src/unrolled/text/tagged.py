"""Tagged sentences, as a tagger's ``[data]`` describes them, and the words that they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UserError
from unrolled.text.conll import Columns, TaggedSentence, is_conllu, read_columns, read_conllu
from unrolled.text.label_settings import TaggedData
from unrolled.text.parts import Part, PartedCorpus
from unrolled.text.store import IdStore
from unrolled.text.tokenizer import Tokenizer


class TaggedCorpus(PartedCorpus[TaggedSentence, TaggedData]):
    """Tagged sentences by part; their tags are as the files have them."""

    noun = "sentences"

    def key(self, example: TaggedSentence) -> str:
        return " ".join(example.words)

    def read_origin(self, origin: str, part: Part) -> Iterator[TaggedSentence]:
        data, path = self.data, self.data.path(origin)
        if not is_conllu(path):
            if isinstance(data.tag, str):
                raise UserError(f"{path}: data.tag must be a column's number, except of a .conllu file")
            return read_columns(path, data.word, data.tag, data.encoding)
        return read_conllu(path, conllu_tag(data))


def conllu_tag(data: TaggedData) -> str:
    """The column of CoNLL-U that holds the tags.

    Raises:
        UserError: the recipe has a number for it.
    """
    if isinstance(data.tag, int):
        raise UserError(f"data.tag = {data.tag}: of CoNLL-U give the column's name, such as upos")
    return data.tag or "upos"


def columns(data: TaggedData, *, conllu: bool) -> Columns:
    """The columns of sentences that are to be tagged: they need no tag yet."""
    return Columns.of_conllu(conllu_tag(data)) if conllu else Columns(data.word, data.word)


@dataclass(frozen=True)
class Forms:
    """Distinct words: the id of each as a whole, and the ids of its characters."""

    words: NDArray[np.integer]
    characters: Sequence[NDArray[np.integer]] | IdStore

    @classmethod
    def of(cls, forms: Sequence[str], words: Tokenizer, characters: Tokenizer) -> Forms:
        """Look words up."""
        # Each by itself: CoNLL-U has words with spaces, and a normal form may put one into a word.
        found = [ids[0] if len(ids) == 1 else words.unk for ids in words.encode_many(forms)]
        return cls(np.array(found, dtype=np.int32), characters.encode_many(forms))
