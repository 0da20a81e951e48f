from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled.decoding import beam_search
from unrolled.models import LanguageModel, LanguageModelSettings

PAD, EOS, SIZE = 0, 3, 11
Make = Callable[..., LanguageModel]


@pytest.fixture
def make() -> Make:
    def build(*, reset_at: int | None = None, **settings: Any) -> LanguageModel:
        torch.manual_seed(1)
        settings = {"embedding_size": 6, "hidden_size": 7, **settings}
        model = LanguageModel(LanguageModelSettings(**settings), SIZE, reset_at=reset_at).double()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3)  # far from uniform
        return model.eval()

    return build


def text(time: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, SIZE, (time, batch), generator=generator)


def alone(model: LanguageModel, ids: Tensor) -> Tensor:
    """log P of each token of one column after an eos, one step after another."""
    state, found = model.start(ids[:0]), []
    for before, after in zip([EOS, *ids[:-1, 0].tolist()], ids[:, 0].tolist(), strict=True):
        state, log_probs = model.step(state, torch.tensor([before]))
        found.append(log_probs[0, after])
    return torch.stack(found)


SHAPES: dict[str, dict[str, Any]] = {
    "lstm": {},
    "gru, two layers": {"cell": "gru", "layers": 2, "layer_norm": True},
    "untied": {"tie": False, "cell": "rnn"},
    "tied, one size": {"embedding_size": 7},
    "adaptive": {"tie": False, "cutoffs": (5, 8)},
    "adaptive, tied": {"cutoffs": (5, 8)},
    "peepholes": {"cell_options": {"peepholes": "current"}},
}


@pytest.mark.parametrize("settings", SHAPES.values(), ids=SHAPES)
def test_windows_that_carry_their_state_are_one_pass(make: Make, settings: dict[str, Any]) -> None:
    model, ids = make(**settings), text(40)
    inputs = torch.cat((torch.tensor([[EOS]]), ids[:-1]))
    whole, _ = model.log_probs(inputs, ids)
    state, parts = None, []
    for window in torch.arange(40).split(7):
        found, state = model.log_probs(inputs[window], ids[window], state)
        parts.append(found)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(alone(model, ids), whole[:, 0], rtol=0, atol=1e-12)
    loss, _ = model(inputs, ids)
    torch.testing.assert_close(loss, -whole.sum())


def test_a_gradient_floor_changes_the_gradients_not_the_loss(make: Make) -> None:
    model, ids = make(gradient_floor=0.99), text(12)
    loss, _ = model(ids[:-1], ids[1:])
    torch.testing.assert_close(loss, -model.log_probs(ids[:-1], ids[1:])[0].sum())
    loss.backward()
    # Of words that are never that probable nothing is left but −1 a target.
    counts = torch.bincount(ids[1:, 0], minlength=SIZE).to(torch.float64)
    torch.testing.assert_close(model.projection.bias.grad[4:], -counts[4:])


@pytest.mark.parametrize("layers", [1, 2])
def test_where_a_document_begins_nothing_is_remembered(make: Make, layers: int) -> None:
    model = make(layers=layers, reset_at=EOS)
    plain = make(layers=layers)
    rows = [text(length, seed=length) for length in (3, 1, 5, 2, 4, 1, 6, 3)]
    ended = [torch.cat((row, torch.tensor([[EOS]]))) for row in rows]
    expected = torch.cat([plain.log_probs(torch.cat((row[-1:], row[:-1])), row)[0] for row in ended])
    stream = torch.cat(ended)
    # Two columns of the stream, in windows whose borders are not those of documents.
    half = len(stream) // 2
    targets = torch.cat((stream[:half], stream[half : 2 * half]), dim=1)
    inputs = torch.cat((torch.tensor([[EOS, int(stream[half - 1, 0])]]), targets[:-1]))
    state, parts = None, []
    for window in torch.arange(half).split(4):
        found, state = model.log_probs(inputs[window], targets[window], state)
        parts.append(found)
    found = torch.cat(parts)
    torch.testing.assert_close(found[:, 0], expected[:half, 0], rtol=0, atol=1e-12)
    begin = int((inputs[:, 1] == EOS).nonzero()[0])  # the second column began in the middle of a document
    torch.testing.assert_close(found[begin:, 1], expected[half + begin : 2 * half, 0], rtol=0, atol=1e-12)


def test_gradients_stop_at_a_reset(make: Make) -> None:
    model = make(reset_at=EOS)
    ids = torch.tensor([[EOS], [5], [6], [EOS], [7], [8]])
    vectors: list[Tensor] = []
    model.embedding.register_forward_hook(lambda *args: vectors.append(args[2].requires_grad_()))
    read = model.read(ids)
    (gradient,) = torch.autograd.grad(read.output[4].sum(), vectors[0])
    assert bool((gradient[:3] == 0).all())
    assert bool((gradient[3:5] != 0).any(-1).all())


def test_padding_and_other_rows_change_nothing(make: Make) -> None:
    model = make(layers=2)
    rows = [text(length, seed=length)[:, 0] for length in (5, 2, 7)]
    lengths = torch.tensor([len(row) for row in rows])
    targets = torch.nn.utils.rnn.pad_sequence(rows)
    inputs = torch.cat((torch.full((1, 3), EOS), targets[:-1]))
    found, _ = model.log_probs(inputs, targets, lengths=lengths)
    loss, _ = model(inputs, targets, lengths=lengths)
    torch.testing.assert_close(loss, -found.sum())
    for column, row in enumerate(rows):
        torch.testing.assert_close(found[: len(row), column], alone(model, row[:, None]), rtol=0, atol=1e-12)
        assert bool((found[len(row) :, column] == 0).all())


DROPOUT = (
    "embedding_dropout",
    "word_dropout",
    "input_dropout",
    "layer_dropout",
    "recurrent_dropout",
    "weight_drop",
    "readout_dropout",
)


@pytest.mark.parametrize("name", DROPOUT)
def test_dropout_is_for_training_alone(make: Make, name: str) -> None:
    model, ids = make(layers=2, **{name: 0.5}), text(9, 4)
    torch.testing.assert_close(model(ids[:-1], ids[1:])[0], make(layers=2)(ids[:-1], ids[1:])[0])
    model.train()
    drawn = {float(model(ids[:-1], ids[1:])[0].detach()) for _ in range(3)}
    assert len(drawn) == 3


def test_the_readout_drops_the_same_features_at_all_steps(make: Make) -> None:
    model = make(readout_dropout=0.5).train()
    gone = model.read(text(9, 20)).features == 0
    assert bool((gone == gone[:1]).all())
    assert 0.3 < float(gone.double().mean()) < 0.7


def test_penalties_are_means_over_real_positions(make: Make) -> None:
    targets = text(6, 2)
    targets[4:, 1] = PAD
    lengths = torch.tensor([6, 4])
    inputs = torch.cat((torch.full((1, 2), EOS), targets[:-1]))
    plain = make().train()
    model = make(activation_penalty=2.0, temporal_penalty=3.0).train()
    loss, _ = model(inputs, targets, lengths=lengths)
    read = plain.read(inputs, lengths=lengths)
    features = torch.cat((read.features[:, 0], read.features[:4, 1]))
    moved = torch.cat((read.output[:, 0].diff(dim=0), read.output[:4, 1].diff(dim=0)))
    penalty = 2 * features.pow(2).mean() + 3 * moved.pow(2).mean()
    torch.testing.assert_close(loss, plain(inputs, targets, lengths=lengths)[0] + 10 * penalty)
    torch.testing.assert_close(model.eval()(inputs, targets, lengths=lengths)[0], plain(inputs, targets)[0])


def test_tied_words_are_their_own_projection(make: Make) -> None:
    model = make()
    assert model.projection.weight is model.embedding.weight
    assert model.bottleneck is not None
    assert make(embedding_size=7).bottleneck is None
    assert make(tie=False).projection.weight.shape == (SIZE, 7)


def test_beam_search_finds_the_likeliest_continuation(make: Make) -> None:
    model, prompt = make(), text(3, 2)
    found = beam_search(
        model, prompt[:-1], beam=4, length_penalty=0.0, max_length=6, bos=prompt[-1], eos=EOS, banned=[PAD]
    )
    for column, (best,) in enumerate(found):
        ids = torch.tensor([[*prompt[:, column].tolist(), *best.tokens, EOS]]).t()
        expected = model.log_probs(ids[:-1], ids[1:])[0][len(prompt) - 1 :, 0]
        torch.testing.assert_close(
            torch.tensor(best.token_log_probs), expected[: len(best.token_log_probs)].float()
        )


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bidirectional": True}, "a layer that reads backwards has seen the answer"),
        ({"embeddings": "x.vec", "frozen_embeddings": True}, "tied to their projection"),
        ({"cell": "lstn"}, "did you mean 'lstm'"),
        ({"cell_options": {"reset": "after"}}, "no option 'reset'"),
        ({"weight_drop": 1.0}, "less than 1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(Exception, match=says):
        LanguageModelSettings(**settings)
