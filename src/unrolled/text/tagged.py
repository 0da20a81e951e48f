"""Tagged sentences, as a tagger's ``[data]`` describes them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from unrolled.errors import UserError
from unrolled.text.conll import Columns, TaggedSentence, is_conllu, read_columns, read_conllu
from unrolled.text.label_settings import TaggedData
from unrolled.text.parts import Part, PartedCorpus


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
        if codecs.lookup(data.encoding).name != "utf-8":
            raise UserError(f"{path}: CoNLL-U is UTF-8: leave data.encoding out")
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
    """The columns of sentences that are to be tagged: they need no tag yet.

    In CoNLL-U a tagger whose tags had a column's number writes upos.
    """
    if not conllu:
        return Columns(data.word, data.word)
    return Columns.of_conllu(data.tag if isinstance(data.tag, str) else "upos")
