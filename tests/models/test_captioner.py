from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from unrolled.decoding import beam_search
from unrolled.models import Captioner, CaptionerSettings, Encoded

WORDS = 9


def captioner(seed: int = 0, network: nn.Module | None = None, **options: object) -> Captioner:
    torch.manual_seed(seed)
    settings = CaptionerSettings(**{"embedding_size": 6, "hidden_size": 8, "region_size": 5, **options})
    return Captioner(settings, 4, WORDS, network).double().eval()


def pictures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Three pictures of 6, 2 and 4 regions, in single precision as they come from the store."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([6, 2, 4])
    regions = torch.rand(6, 3, 4, generator=random)
    regions[torch.arange(6)[:, None] >= lengths] = 0
    return regions, lengths


TARGET = torch.tensor([[2, 2, 2], [5, 6, 7], [8, 3, 4], [3, 0, 3]])


@pytest.mark.parametrize("region_size", [0, 5])
@pytest.mark.parametrize("attention", ["luong", "bahdanau", "none"])
def test_padding_changes_nothing(attention: str, region_size: int) -> None:
    model = captioner(attention=attention, region_size=region_size)
    regions, lengths = pictures()
    together = model.forced(regions, lengths, TARGET, attention=True)
    for column, length in enumerate(lengths.tolist()):
        alone = model.forced(
            regions[:length, column : column + 1],
            lengths[column : column + 1],
            TARGET[:, column : column + 1],
            attention=True,
        )
        torch.testing.assert_close(alone.log_probs[:, 0], together.log_probs[:, column])
        if attention != "none":
            assert together.attention is not None
            assert together.attention[:, column, length:].eq(0).all()


@pytest.mark.parametrize("bridge", ["mean", "input"])
def test_search_and_forced_scores_agree(bridge: str) -> None:
    model = captioner(attention="none" if bridge == "input" else "luong", bridge=bridge)
    regions, lengths = pictures()
    found = beam_search(model, (regions, lengths), beam=3, max_length=[7] * 3, bos=2, eos=3, banned=[0, 2])
    for column, (best, *_) in enumerate(found):
        target = torch.tensor([2, *best.tokens, 3])[:, None]
        one = slice(column, column + 1)
        forced = model.forced(regions[:, one], lengths[one], target).log_probs.sum().detach()
        assert float(forced) == pytest.approx(best.log_prob, abs=1e-8)


def test_the_picture_is_the_first_word_where_the_bridge_says_so() -> None:
    """Vinyals et al. 2015, equations 10 to 12: x⟨−1⟩ is the picture, seen once."""
    model = captioner(attention="none", bridge="input", region_size=0)
    regions, lengths = pictures()
    state = model.start((regions, lengths)).cell
    decoder = model.decoder
    mean = regions.double().sum(0) / lengths[:, None]
    word = decoder.bridge.word(mean)
    cell = decoder.cell
    expected = cell.step(cell.project(word[None])[0], cell.initial_state(3, like=word))
    for ours, theirs in zip(state, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("attention", "feeding"), [("luong", False), ("luong", True), ("bahdanau", True)])
def test_doubly_stochastic_attention_counts_in_training_alone(attention: str, feeding: bool) -> None:
    plain = captioner(attention=attention, input_feeding=feeding)
    model = captioner(attention=attention, input_feeding=feeding, doubly_stochastic=0.3)
    regions, lengths = pictures()
    alpha = model.forced(regions, lengths, TARGET, attention=True).attention
    assert alpha is not None
    looked = alpha.sum(0)
    penalty = sum((1 - looked[row, :length]).square().sum() for row, length in enumerate(lengths.tolist()))
    assert model(regions, lengths, TARGET)[0] == plain(regions, lengths, TARGET)[0]
    total, count = model.train()(regions, lengths, TARGET)
    assert count == 8
    torch.testing.assert_close(total, plain.train()(regions, lengths, TARGET)[0] + 0.3 * penalty)
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


class Halves(nn.Module):
    """Left and right halves of a picture as two regions."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = pixels.double().permute(0, 3, 1, 2)
        return nn.functional.adaptive_avg_pool2d(maps, (1, 2)) / 255


def test_pixels_go_through_the_network() -> None:
    torch.manual_seed(0)
    settings = CaptionerSettings(embedding_size=6, hidden_size=8, region_size=0)
    model = Captioner(settings, 3, WORDS, Halves()).double()
    pixels = torch.randint(0, 256, (16, 2, 3), dtype=torch.uint8)  # two pictures, four pixels a side
    encoded = model.encoder(pixels, torch.tensor([16, 16]))
    assert isinstance(encoded, Encoded)
    assert encoded.lengths.tolist() == [2, 2]
    expected = pixels[:, 1].reshape(4, 4, 3)[:, 2:].double().mean((0, 1)) / 255
    torch.testing.assert_close(encoded.output[1, 1], expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bridge": "last"}, "bridge"),
        ({"tie": "all"}, "tie"),
        ({"bridge": "input"}, "a decoder that attends starts from"),
        ({"attention": "none", "doubly_stochastic": 1.0}, "nothing to weigh"),
        ({"attention": "none", "bridge": "zero"}, 'source; choose "mean" '),
        ({"score": "dot"}, r"score: .*512 features, by region_size.*hidden_size, 256"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CaptionerSettings(**options)
