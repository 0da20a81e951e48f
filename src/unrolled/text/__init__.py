"""Strings ↔ ids, in NumPy: corpora, tokenizers, id stores, batches, vector files. Torch-free."""

from unrolled.text.batches import Padded, pad, plan
from unrolled.text.conll import TaggedSentence, read_columns, read_conllu
from unrolled.text.corpus import Record, read_lines
from unrolled.text.detokenize import detokenize
from unrolled.text.parallel import PairedCorpus, ParallelCorpus, Segment, read_segments, write_segments
from unrolled.text.parts import PartedCorpus
from unrolled.text.plain import PlainCorpus
from unrolled.text.prepare import FieldEncoder, Prepared, encode_records, train_tokenizers
from unrolled.text.settings import (
    BatchSettings,
    ParallelData,
    ParallelText,
    Parted,
    PlainData,
    StreamSettings,
    TokenizerSettings,
)
from unrolled.text.store import IdStore, StoreWriter
from unrolled.text.streams import Window, Windows, stream_windows
from unrolled.text.tokenizer import Ids, Tokenizer
from unrolled.text.vocabulary import Vocabulary

__all__ = [
    "BatchSettings",
    "FieldEncoder",
    "IdStore",
    "Ids",
    "Padded",
    "PairedCorpus",
    "ParallelCorpus",
    "ParallelData",
    "ParallelText",
    "Parted",
    "PartedCorpus",
    "PlainCorpus",
    "PlainData",
    "Prepared",
    "Record",
    "Segment",
    "StoreWriter",
    "StreamSettings",
    "TaggedSentence",
    "Tokenizer",
    "TokenizerSettings",
    "Vocabulary",
    "Window",
    "Windows",
    "detokenize",
    "encode_records",
    "pad",
    "plan",
    "read_columns",
    "read_conllu",
    "read_lines",
    "read_segments",
    "stream_windows",
    "train_tokenizers",
    "write_segments",
]
