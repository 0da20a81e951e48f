from __future__ import annotations

import pytest
import torch

from unrolled.models import Sentences, Tagger, TaggerSettings, tag
from unrolled.nn.crf import Allowed

# Two sentences over the distinct words 1, 2, 3: "1 2 3" and "2 1".
SENTENCES = Sentences(
    forms=torch.tensor([[1, 2], [2, 1], [3, 0]]),
    lengths=torch.tensor([3, 2]),
    words=torch.tensor([0, 5, 1, 6]),
    characters=torch.tensor([[0, 4, 5, 6], [0, 5, 0, 7]]),
    character_lengths=torch.tensor([0, 2, 1, 2]),
)
TAGS = torch.tensor([[1, 0], [2, 2], [0, 0]])


def make(seed: int = 1, allowed: Allowed | None = None, **settings: object) -> Tagger:
    torch.manual_seed(seed)
    chosen = TaggerSettings(
        **{"embedding_size": 6, "hidden_size": 5, "character_size": 4, **settings}  # type: ignore[arg-type]
    )
    return Tagger(chosen, 10, 9, 3, allowed).double().eval()


@pytest.mark.parametrize("characters", ["recurrent", "convolution", "none"])
def test_a_sentence_is_tagged_by_itself(characters: str) -> None:
    model = make(characters=characters)
    together = model(SENTENCES)
    alone = Sentences(
        torch.tensor([[1], [2]]),
        torch.tensor([2]),
        SENTENCES.words[[0, 2, 1]],
        SENTENCES.characters[:, [0, 2, 1]],
        SENTENCES.character_lengths[[0, 2, 1]],
    )
    assert torch.allclose(together[:2, 1], model(alone)[:, 0])


def test_words_with_one_id_differ_by_their_characters() -> None:
    other = SENTENCES._replace(characters=torch.tensor([[0, 4, 8, 6], [0, 5, 0, 7]]))
    assert not torch.allclose(make()(SENTENCES), make()(other))
    assert torch.equal(make(characters="none")(SENTENCES), make(characters="none")(other))


def test_softmax_sums_the_tags_and_its_chain_is_not_trained() -> None:
    model = make(output="softmax")
    emissions = model(SENTENCES)
    p = emissions.log_softmax(-1)
    wanted = [p[0, 0, 1] + p[1, 0, 2] + p[2, 0, 0], p[0, 1, 0] + p[1, 1, 2]]
    assert torch.allclose(model.log_probs(emissions, TAGS, SENTENCES.lengths), torch.stack(wanted))
    assert not any(parameter.requires_grad for parameter in model.crf.parameters())


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_tags_past_a_length_may_be_any_number(output: str) -> None:
    model = make(output=output)
    emissions, other = model(SENTENCES), TAGS.clone()
    other[2, 1] = -100
    for method in (model.log_probs, model.step_log_probs):
        given = (method(emissions, tags, SENTENCES.lengths) for tags in (TAGS, other))
        assert torch.equal(*given)


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_forbidden_tags_do_not_follow_one_another(output: str) -> None:
    never = torch.ones(3, 3, dtype=torch.bool)
    never[0, 0] = never[1, 1] = never[2, 2] = False
    both = torch.ones(3, dtype=torch.bool)
    for seed in range(20):
        print(f"seed {seed}")
        model = make(seed, Allowed(never, both, both), output=output)
        found = tag([model], SENTENCES)
        assert found[0, 0] != found[1, 0] != found[2, 0]
        assert found[0, 1] != found[1, 1]
        assert found[2, 1] == 0


def test_several_taggers_decide_by_the_mean_of_their_scores() -> None:
    one, other = make(1), make(2)
    mean = (one(SENTENCES) + other(SENTENCES)) / 2
    found = tag([one, other], SENTENCES)
    real = torch.arange(3)[:, None] < SENTENCES.lengths
    assert torch.equal(found, mean.argmax(-1).where(real, 0)), "fresh chains score nothing"
