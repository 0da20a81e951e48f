"""Words as vectors: learning them from text, and asking them questions."""

from unrolled.embeddings.corpus import Corpus
from unrolled.embeddings.memory import give_back
from unrolled.embeddings.method import METHODS, Method
from unrolled.embeddings.pretraining import skip_gram
from unrolled.embeddings.projection import pca, t_sne
from unrolled.embeddings.settings import (
    EPOCHS,
    FIRST_RATE,
    LAST_RATE,
    BlockSettings,
    CorpusData,
    VectorSettings,
    WordSettings,
    WordTests,
)
from unrolled.embeddings.vectors import Vectors

__all__ = [
    "EPOCHS",
    "FIRST_RATE",
    "LAST_RATE",
    "METHODS",
    "BlockSettings",
    "Corpus",
    "CorpusData",
    "Method",
    "VectorSettings",
    "Vectors",
    "WordSettings",
    "WordTests",
    "give_back",
    "pca",
    "skip_gram",
    "t_sne",
]
