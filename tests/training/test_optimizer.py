from __future__ import annotations

import pytest
import torch
from torch import nn

from unrolled.nn import Embedding, tie
from unrolled.runs import TrainingSettings
from unrolled.training import optimizer as module
from unrolled.training.optimizer import build_optimizer, clip

SIZE, FEATURES = 40, 3


class Tagger(nn.Module):
    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = Embedding(SIZE, FEATURES)
        self.projection = nn.Linear(FEATURES, SIZE)
        if tied:
            tie(self.embedding, self.projection)

    def loss(self, ids: torch.Tensor) -> torch.Tensor:
        return (self.projection(self.embedding(ids)) * torch.arange(SIZE)).pow(2).mean()


def settings(**options: object) -> TrainingSettings:
    return TrainingSettings(**{"updates": 1, "optimizer": "sgd", "learning_rate": 1e-3, **options})


def trained(given: TrainingSettings, updates: int = 5) -> tuple[Tagger, list[torch.Tensor]]:
    model, norms = Tagger(), []
    optimizer = build_optimizer(model, given)
    for update in range(updates):
        optimizer.zero_grad()
        for part in range(2):  # accumulated; ids twice, within a batch and across
            model.loss(torch.tensor([3, 7, 3, 0, 9 + update, 20 + part])).backward()
        norms.append(clip(model.parameters(), given).norm)
        optimizer.step()
    return model, norms


CLIPPINGS = [{}, {"clip_norm": 0.05}, {"clip_value": 0.01}, {"clip_value": 0.02, "clip_norm": 0.04}]


@pytest.mark.parametrize("clipping", CLIPPINGS)
def test_updates_of_touched_rows_are_the_updates_of_all(clipping, monkeypatch) -> None:
    whole, whole_norms = trained(settings(**clipping))
    assert not whole.embedding.row_gradients
    monkeypatch.setattr(module, "LARGE_TABLE", SIZE)
    rows, norms = trained(settings(**clipping))
    assert rows.embedding.row_gradients
    assert rows.embedding.weight.grad.is_sparse
    torch.testing.assert_close(norms, whole_norms)
    for mine, theirs in zip(rows.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    untouched = Tagger().embedding.weight[30:]
    assert torch.equal(rows.embedding.weight[30:], untouched)


@pytest.mark.parametrize(
    "options", [{"momentum": 0.9}, {"weight_decay": 0.1}, {"optimizer": "adam"}, {"optimizer": "adamw"}]
)
def test_optimizers_that_move_every_row_see_them_all(options, monkeypatch) -> None:
    monkeypatch.setattr(module, "LARGE_TABLE", SIZE)
    model, _ = trained(settings(**options))
    assert not model.embedding.row_gradients
    assert not torch.equal(model.embedding.weight[3], Tagger().embedding.weight[3])


def test_a_tied_table_stays_whole(monkeypatch) -> None:
    monkeypatch.setattr(module, "LARGE_TABLE", SIZE)
    model = Tagger(tied=True)
    build_optimizer(model, settings())
    assert not model.embedding.row_gradients


@pytest.mark.parametrize("options", CLIPPINGS[1:])
def test_clipping_is_torchs(options) -> None:
    models = Tagger(), Tagger()
    for model in models:
        model.loss(torch.tensor([1, 2, 3])).backward()
    mine, theirs = models
    made = clip(mine.parameters(), settings(**options))
    if "clip_value" in options:
        nn.utils.clip_grad_value_(theirs.parameters(), options["clip_value"])
    if "clip_norm" in options:
        nn.utils.clip_grad_norm_(theirs.parameters(), options["clip_norm"])
    assert made.clipped
    for one, two in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_moments_come_back_as_the_parameters_lie_in_memory(name: str) -> None:
    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(1)
        model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        how = settings(optimizer=name, momentum=0.9) if name == "sgd" else settings(optimizer=name)
        return model, build_optimizer(model, how)

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model(torch.randn(2, 3, 5, 5)).square().sum().backward()
        optimizer.step()

    whole, parts = made(), made()
    for seed in range(4):
        step(*whole, seed)
    for seed in range(2):
        step(*parts, seed)
    saved = {key: value.contiguous().clone() for key, value in module.optimizer_tensors(parts[1]).items()}
    again = made()
    again[0].load_state_dict(parts[0].state_dict())
    module.load_optimizer(again[1], saved)
    for seed in range(2, 4):
        step(*again, seed)
    assert torch.equal(again[0].weight, whole[0].weight)
