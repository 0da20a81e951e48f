from __future__ import annotations

import pytest
import torch

from unrolled.models import Sentences
from unrolled.models.reader import Reader, Speller
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


@pytest.mark.parametrize("characters", ["recurrent", "convolution"])
def test_words_with_one_id_differ_by_their_characters(characters: str) -> None:
    settings = ReaderSettings(embedding_size=4, hidden_size=3, characters=characters, character_size=6)  # type: ignore[arg-type]
    torch.manual_seed(1)
    speller = Speller(settings, 9, 8).eval()
    assert speller.reader.layers.cells[0].input_size == 4 + 6
    unknown = Sentences(
        forms=torch.tensor([[1, 2]]),
        lengths=torch.tensor([1, 1]),
        words=torch.tensor([0, 1, 1]),
        characters=torch.tensor([[0, 4, 5], [0, 6, 6]]),
        character_lengths=torch.tensor([0, 2, 2]),
    )
    states = speller.states(unknown)
    assert not torch.allclose(states[:, 0], states[:, 1])
    same = speller.states(unknown._replace(characters=torch.tensor([[0, 4, 4], [0, 6, 6]])))
    assert torch.allclose(same[:, 0], same[:, 1])
    plain = Speller(ReaderSettings(embedding_size=4, hidden_size=3), 9, 0).eval()
    states = plain.states(unknown)
    assert plain.spelling is None
    assert torch.equal(states[:, 0], states[:, 1])


@pytest.mark.parametrize("characters", ["recurrent", "convolution"])
def test_two_readings_are_one_but_for_their_dropout(characters: str) -> None:
    settings = ReaderSettings(
        embedding_size=4,
        hidden_size=3,
        characters=characters,  # type: ignore[arg-type]
        character_size=6,
        embedding_dropout=0.5,
    )
    torch.manual_seed(1)
    speller = Speller(settings, 9, 8)
    sentences = Sentences(
        forms=torch.tensor([[1, 2], [2, 0]]),
        lengths=torch.tensor([2, 1]),
        words=torch.tensor([0, 1, 5]),
        characters=torch.tensor([[0, 4, 5], [0, 6, 6]]),
        character_lengths=torch.tensor([0, 2, 2]),
    )
    with torch.no_grad():
        speller.reader.embedding.weight.zero_()  # only the characters are seen
    first, second = speller.states(sentences.twice).chunk(2, dim=1)
    assert not torch.equal(first, second)
    first, second = speller.eval().states(sentences.twice).chunk(2, dim=1)
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, speller.states(sentences))
