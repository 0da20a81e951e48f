"""Strings ↔ ids, in NumPy: corpora, tokenizers, id stores, batches, vector files. Torch-free."""

from unrolled.text.archive import archive_of
from unrolled.text.batches import Padded, pad, plan
from unrolled.text.captions import CaptionCorpus, CaptionData
from unrolled.text.conll import TaggedSentence, blocks, read_columns, read_conllu
from unrolled.text.corpus import Record, is_jsonl, read_jsonl, read_lines, text_keys
from unrolled.text.detokenize import detokenize
from unrolled.text.forms import Forms, Numbers
from unrolled.text.label_settings import (
    LabelBatchSettings,
    LabelledData,
    SpelledText,
    TaggedData,
    TaggedText,
)
from unrolled.text.labelled import LabelledCorpus, LabelledText, class_weights
from unrolled.text.parallel import PairedCorpus, ParallelCorpus, Segment
from unrolled.text.parts import PartedCorpus, check_part, read_part, write_part
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
    literal,
)
from unrolled.text.store import IdStore, StoreWriter
from unrolled.text.streams import Window, Windows, stream_windows
from unrolled.text.tagged import TaggedCorpus, columns
from unrolled.text.tokenizer import Ids, Tokenizer
from unrolled.text.vocabulary import Vocabulary
from unrolled.text.writing import Writer

__all__ = [
    "BatchSettings",
    "CaptionCorpus",
    "CaptionData",
    "FieldEncoder",
    "Forms",
    "IdStore",
    "Ids",
    "LabelBatchSettings",
    "LabelledCorpus",
    "LabelledData",
    "LabelledText",
    "Numbers",
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
    "SpelledText",
    "StoreWriter",
    "StreamSettings",
    "TaggedCorpus",
    "TaggedData",
    "TaggedSentence",
    "TaggedText",
    "Tokenizer",
    "TokenizerSettings",
    "Vocabulary",
    "Window",
    "Windows",
    "Writer",
    "archive_of",
    "blocks",
    "check_part",
    "class_weights",
    "columns",
    "detokenize",
    "encode_records",
    "is_jsonl",
    "literal",
    "pad",
    "plan",
    "read_columns",
    "read_conllu",
    "read_jsonl",
    "read_lines",
    "read_part",
    "stream_windows",
    "text_keys",
    "train_tokenizers",
    "write_part",
]
