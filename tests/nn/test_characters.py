from __future__ import annotations

import pytest
import torch

from unrolled.errors import UserError
from unrolled.nn import CharacterEmbedding


@pytest.mark.parametrize("kind", ["recurrent", "convolution"])
def test_a_words_vector_does_not_depend_on_the_words_beside_it(kind: str) -> None:
    torch.manual_seed(1)
    spell = CharacterEmbedding(kind, 20, 5, 8).double()  # type: ignore[arg-type]
    words = torch.zeros(6, 4, dtype=torch.long)
    lengths = torch.tensor([6, 3, 1, 0])
    for column, length in enumerate(lengths.tolist()):
        words[:length, column] = torch.randint(1, 20, (length,))
    found = spell(words, lengths)
    assert found.shape == (4, 8)
    for column, length in enumerate(lengths.tolist()[:3]):
        alone = spell(words[:length, column : column + 1], torch.tensor([length]))
        assert torch.allclose(found[column], alone[0]), length
    assert found[3].eq(0).all()


def test_convolution_takes_the_greatest_of_each_feature() -> None:
    torch.manual_seed(2)
    spell = CharacterEmbedding("convolution", 9, 3, 4, width=3).double()
    word = torch.tensor([[4], [7], [2]])
    vectors = torch.cat([torch.zeros(1, 3), spell.embedding.weight[word[:, 0]], torch.zeros(1, 3)])
    windows = [vectors[t : t + 3].t() for t in range(3)]
    wanted = [(spell.windows.weight * window).sum((1, 2)) + spell.windows.bias for window in windows]
    assert torch.allclose(spell(word, torch.tensor([3]))[0], torch.stack(wanted).max(0).values)


@pytest.mark.parametrize("kind", ["recurrent", "convolution"])
def test_words_without_any_character_give_zeros(kind: str) -> None:
    spell = CharacterEmbedding(kind, 9, 3, 4)  # type: ignore[arg-type]
    assert (
        spell(torch.zeros(0, 2, dtype=torch.long), torch.zeros(2, dtype=torch.long)).tolist()
        == [[0.0] * 4] * 2
    )


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'recurrent'"):
        CharacterEmbedding("recurent", 9, 3, 4)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"features=5: .*even"):
        CharacterEmbedding("recurrent", 9, 3, 5)
    assert CharacterEmbedding("convolution", 9, 3, 5).features == 5
