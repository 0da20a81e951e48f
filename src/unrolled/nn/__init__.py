"""The equations: cells, unroll, layers, attention, embeddings, pooling, losses.

``unrolled.nn.LSTM`` is the layer, as ``torch.nn.LSTM`` is; the cell is ``unrolled.nn.cells.LSTM``.
"""

from __future__ import annotations

from unrolled.nn.adaptive import AdaptiveSoftmax, Projection, TableSoftmax, make_projection
from unrolled.nn.attention import (
    AdditiveAttention,
    Attention,
    AttentionMemory,
    DotAttention,
    GeneralAttention,
    make_attention,
)
from unrolled.nn.attentive import Attentional, Bahdanau, DecoderMemory, Luong
from unrolled.nn.cells import Cell, State
from unrolled.nn.characters import CharacterEmbedding
from unrolled.nn.conversion import from_torch, to_torch
from unrolled.nn.crf import CRF, Allowed, viterbi
from unrolled.nn.embedding import Embedding, tie
from unrolled.nn.layers import GRU, LSTM, RNN, Recurrent
from unrolled.nn.loss import projected_cross_entropy, projected_log_probs
from unrolled.nn.pooling import Pooling
from unrolled.nn.register import cell, cell_names, register_cell
from unrolled.nn.result import Unrolled
from unrolled.nn.unroll import unroll
from unrolled.nn.watch import Passage, watching

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveSoftmax",
    "AdditiveAttention",
    "Allowed",
    "Attention",
    "AttentionMemory",
    "Attentional",
    "Bahdanau",
    "Cell",
    "CharacterEmbedding",
    "DecoderMemory",
    "DotAttention",
    "Embedding",
    "GeneralAttention",
    "Luong",
    "Passage",
    "Pooling",
    "Projection",
    "Recurrent",
    "State",
    "TableSoftmax",
    "Unrolled",
    "cell",
    "cell_names",
    "from_torch",
    "make_attention",
    "make_projection",
    "projected_cross_entropy",
    "projected_log_probs",
    "register_cell",
    "tie",
    "to_torch",
    "unroll",
    "viterbi",
    "watching",
]
