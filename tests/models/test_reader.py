from __future__ import annotations

import torch

from unrolled.models.reader import Reader
from unrolled.models.reader_settings import ReaderSettings


def test_what_stands_beside_a_word_is_read_with_it() -> None:
    torch.manual_seed(1)
    reader = Reader(ReaderSettings(embedding_size=4, hidden_size=3, layers=2), 9, beside=2)
    ids, lengths = torch.tensor([[5, 6], [7, 0]]), torch.tensor([2, 1])
    beside = torch.randn(2, 2, 2)
    states = reader(ids, lengths, beside)
    assert states.shape == (2, 2, reader.features)
    assert states[1, 1].eq(0).all()
    joined = torch.cat([reader.embedding(ids), beside], dim=-1)
    assert torch.equal(states, reader.layers(joined, lengths=lengths).output)


def test_a_frozen_table_is_not_trained() -> None:
    settings = ReaderSettings(embedding_size=4, hidden_size=3, embeddings="f.vec", frozen_embeddings=True)
    assert not Reader(settings, 9).embedding.weight.requires_grad
