from __future__ import annotations

import pytest
import torch

from unrolled.models import Classifier, ClassifierSettings, Sentences

# Two texts over the distinct words 1 to 4, of which the last ends them: "1 3 4" and "2 4".
TEXTS = Sentences(
    forms=torch.tensor([[1, 2], [3, 4], [4, 0]]),
    lengths=torch.tensor([3, 2]),
    words=torch.tensor([0, 5, 6, 1, 3]),
    characters=torch.tensor([[0, 4, 5, 6, 0], [0, 5, 0, 7, 0]]),
    character_lengths=torch.tensor([0, 2, 1, 2, 0]),
)
LABELS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def make(several: bool = False, **settings: object) -> Classifier:
    torch.manual_seed(1)
    chosen = ClassifierSettings(embedding_size=6, hidden_size=5, **settings)  # type: ignore[arg-type]
    return Classifier(chosen, 10, 9, 3, several=several).double().eval()


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("characters", ["none", "convolution"])
def test_a_text_is_judged_by_itself(pooling: str, bidirectional: bool, characters: str) -> None:
    model = make(pooling=pooling, bidirectional=bidirectional, characters=characters, layers=2)
    together = model(TEXTS)
    alone = model(TEXTS._replace(forms=TEXTS.forms[:2, 1:], lengths=TEXTS.lengths[1:]))
    assert torch.allclose(together[1], alone[0])


def test_the_loss_is_the_negative_log_probability() -> None:
    model = make()
    logits = model(TEXTS)
    probabilities = model.probabilities(logits)
    assert torch.allclose(probabilities.sum(-1), torch.ones(2).double())
    wanted = -(probabilities[0, 1].log() + probabilities[1, 0].log())
    assert torch.allclose(model.loss(logits, LABELS.double()), wanted)
    weights = torch.tensor([3.0, 0.5, 1.0]).double()
    wanted = -(0.5 * probabilities[0, 1].log() + 3 * probabilities[1, 0].log())
    assert torch.allclose(model.loss(logits, LABELS.double(), weights), wanted)


def test_several_labels_are_judged_each_by_itself() -> None:
    model = make(several=True)
    logits = model(TEXTS)
    p = model.probabilities(logits)
    both = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]).double()
    wanted = -(both * p.log() + (1 - both) * (1 - p).log()).sum()
    assert torch.allclose(model.loss(logits, both), wanted)


def test_label_smoothing_counts_in_training_alone() -> None:
    model = make(label_smoothing=0.3)
    logits = model(TEXTS)
    plain = model.loss(logits, LABELS.double())
    smoothed = model.train().loss(logits, LABELS.double())
    target = 0.7 * LABELS.double() + 0.1
    assert torch.allclose(smoothed, -(target * logits.log_softmax(-1)).sum())
    assert not torch.allclose(plain, smoothed)


@pytest.mark.parametrize("several", [False, True])
def test_calibration_finds_the_temperature_labels_were_drawn_at(several: bool) -> None:
    print("seed 5")
    random = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(20_000, 3, generator=random).double()
    if several:
        labels = torch.bernoulli(torch.sigmoid(logits / 2.5), generator=random)
    else:
        drawn = torch.multinomial(torch.softmax(logits / 2.5, -1), 1, generator=random)
        labels = torch.nn.functional.one_hot(drawn[:, 0], 3).double()
    model = make(several=several)
    assert model.calibrate(logits, labels) == pytest.approx(2.5, rel=0.05)
    found = model.probabilities(logits)
    assert torch.equal(found.argmax(-1), logits.argmax(-1))
    model.temperature.fill_(1.0)
    assert found.sub(labels).square().mean() < model.probabilities(logits).sub(labels).square().mean()


def test_the_temperature_is_part_of_the_weights() -> None:
    assert "temperature" in make().state_dict()


@pytest.mark.parametrize("several", [False, True])
def test_consistency_is_the_divergence_of_two_readings(several: bool) -> None:
    model = make(several, consistency=3.0, readout_dropout=0.5).train()
    labels = LABELS.double()
    torch.manual_seed(2)
    found = model.training_loss(TEXTS, labels)
    torch.manual_seed(2)
    first, second = model(TEXTS.twice).chunk(2)
    kind = torch.distributions.Bernoulli if several else torch.distributions.Categorical
    one, other = kind(logits=first), kind(logits=second)
    divergence = torch.distributions.kl_divergence
    apart = (divergence(one, other) + divergence(other, one)).sum() / 2
    assert apart > 1e-4
    wanted = (model.loss(first, labels) + model.loss(second, labels)) / 2 + 3 * apart
    assert torch.allclose(found, wanted)


def test_consistency_counts_in_training_alone() -> None:
    model, plain = make(consistency=3.0, readout_dropout=0.5), make()
    labels = LABELS.double()
    assert torch.allclose(model.training_loss(TEXTS, labels), plain.loss(plain(TEXTS), labels))
    model.train().dropout.p = 0.0  # two readings that are one
    assert torch.allclose(model.training_loss(TEXTS, labels), plain.loss(plain(TEXTS), labels))


def test_the_weight_of_a_label_is_of_the_texts_that_have_it() -> None:
    model = make(several=True)
    logits = model(TEXTS)
    p = model.probabilities(logits)
    labels, weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]).double(), torch.tensor([3.0, 0.5, 9.0])
    wanted = -(weights * labels * p.log() + (1 - labels) * (1 - p).log()).sum()
    assert torch.allclose(model.loss(logits, labels, weights.double()), wanted)


def test_the_temperature_is_not_part_of_what_is_learnt() -> None:
    model = make(consistency=1.0, readout_dropout=0.5).train()
    torch.manual_seed(2)
    cold = model.training_loss(TEXTS, LABELS.double())
    model.temperature.fill_(7)
    torch.manual_seed(2)
    assert torch.equal(model.training_loss(TEXTS, LABELS.double()), cold)
