"""Every gradient against finite differences made without any of what is tested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unrolled
from unrolled.errors import UserError
from unrolled.inspection import gradients
from unrolled.inspection.gradients import Connectivity, Gradients, curve
from unrolled.tasks.translate import Translator
from unrolled.training import train

TEXTS, ANSWERS = ["a b c", "d d"], ["C B A", "D D"]
SMALL = 1e-6


def pushed(
    translator: Translator, monkeypatch: pytest.MonkeyPatch, at: int, column: int, unit: int, by: float
) -> Any:
    """Log-probabilities when ``by`` is added to one unit of the decoder's hidden state after step ``at``."""
    cell: Any = translator.models[0].decoder.cell
    count = 0

    def step(projected: Any, state: Any, memory: Any = None) -> Any:
        nonlocal count
        hidden, *others = type(cell).step(cell, projected, state, memory)
        if count == at:
            hidden = hidden.clone()
            hidden[column, unit] += by
        count += 1
        return (hidden, *others)

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(cell, "step", step, raising=False)
        patch.setattr("unrolled.nn.fused_attentive.unroll", lambda *_, **__: None)
        return translator.read(TEXTS, ANSWERS).run().log_probs


@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_the_curve_is_the_norm_of_the_states_gradient(
    load: Callable[..., Translator], monkeypatch: pytest.MonkeyPatch, attention: str
) -> None:
    translator: Any = load(f'model.attention="{attention}"')
    view = gradients({"mine": translator}, TEXTS, ANSWERS, at=2)
    (found,) = view.curves
    assert found.name == "decoder.cell"
    assert found.count.tolist() == [2, 2, 2]  # both texts predict something at step 2, eos the second
    for k in range(3):
        norms = []
        for column in range(2):
            slopes = []
            for unit in range(8):
                up, down = (
                    float(pushed(translator, monkeypatch, 2 - k, column, unit, by)[2, column])
                    for by in (SMALL, -SMALL)
                )
                slopes.append((up - down) / (2 * SMALL))
            norms.append(float(np.linalg.norm(slopes)))
        assert found.median[k] == pytest.approx(np.median(norms), rel=1e-4)
        assert found.low[k] == pytest.approx(np.quantile(norms, 0.25), rel=1e-4)


def test_connectivity_is_the_gradient_at_each_input(translator: Translator) -> None:
    model: Any = translator.models[0]
    view = gradients({"mine": translator}, TEXTS, ANSWERS, at=2).connectivity
    assert (view.output, view.step) == ("A", 2)
    assert view.tokens == {"encoder": ["a", "b", "c", "</s>"], "decoder": ["<s>", "C", "B", "A"]}
    for part, embedding in (("encoder", model.encoder.embedding), ("decoder", model.decoder.embedding)):
        for place in range(4):
            slopes = []
            for feature in range(6):
                values = []
                for by in (SMALL, -SMALL):

                    def push(module: Any, inputs: Any, output: Any, by: float = by) -> Any:
                        output = output.clone()
                        output[place, 0, feature] += by  # noqa: B023 (used at once)
                        return output

                    hook = embedding.register_forward_hook(push)
                    with torch.no_grad():
                        values.append(float(translator.read(TEXTS, ANSWERS).run().log_probs[2, 0]))
                    hook.remove()
                slopes.append((values[0] - values[1]) / (2 * SMALL))
            assert view.sizes[part][place] == pytest.approx(np.linalg.norm(slopes), rel=1e-4, abs=1e-8)
    assert view.sizes["decoder"][3] == 0  # what comes after the output has no way to it


def test_of_a_long_text_a_page_shows_what_matters() -> None:
    tokens, sizes = list("abcdef"), np.array([1e-9, 1e-4, 2e-3, 0.0, 1.0, 0.0])
    found = Connectivity("x", 4, {"": ""}, {"": tokens}, {"": sizes})
    assert found.coloured("")["tokens"] == ["c", "d", "e"]
    assert found.coloured("")["values"].tolist() == [2e-3, 0, 1]
    page = Gradients([curve("", np.ones((1, 1, 1)), np.array([[0]]))], found, []).page().html()
    assert "Left out: 3 tokens" in page
    nothing = Connectivity("x", 4, {"": ""}, {"": tokens}, {"": np.zeros(6)})
    assert nothing.coloured("")["tokens"] == tokens


def test_the_distance_of_a_cell_that_goes_backward_is_measured_its_way() -> None:
    norms = np.array([[[1.0], [2.0], [4.0], [8.0], [0.0]]])  # the last step is padding
    chosen = np.array([[1]])
    assert curve("", norms, chosen).median.tolist() == [2, 1]
    assert curve("", norms, chosen, backward=[4]).median.tolist() == [2, 4, 8]


def test_padding_is_no_step_of_a_cell_that_goes_backward(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a O\nb O\nC I-PER\nd O\n\nC I-PER\n")
    (tmp_path / "my.toml").write_text(
        'task = "tag"\n[data]\ntrain = "train.txt"\ndev = "train.txt"\nscheme = "IOB1"\n'
        '[model]\nembedding_size = 4\nhidden_size = 4\ncharacters = "none"\n[training]\nupdates = 1\n'
    )
    train(tmp_path / "my.toml", tmp_path / "run", threads=1, progress=False)
    view = gradients({"mine": unrolled.load(tmp_path / "run", threads=1)}, ["a b C d", "C"])
    forward, backward = view.curves
    assert backward.name.endswith("(reads backward)")
    # Steps 2 and 3 of the first text, the only one of the second.
    assert forward.count.tolist() == [3, 2, 2, 1]
    assert backward.count.tolist() == [3, 1]
    assert (backward.median > 0).all()


def test_steps_are_spread_over_the_second_half(translator: Translator) -> None:
    view = gradients({"mine": translator}, ["a", "b"], [" ".join("ABCABCABC"), "B"], steps=3)
    # The first predicts ten tokens: steps 5, 7 and 9; the second two, of which the second half is one.
    assert view.curves[0].count.tolist() == [4, 4, 3, 3, 3, 3, 2, 2, 1, 1]
    assert view.connectivity.step == 9


def test_one_backward_pass_a_step_and_one_for_connectivity(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward, passes = torch.autograd.grad, []

    def counted(*given: Any, **options: Any) -> Any:
        passes.append(given)
        return backward(*given, **options)

    monkeypatch.setattr("torch.autograd.grad", counted)
    gradients({"mine": translator}, ["a b c", "d d", "c a"], ["A B C", "D D D", "C C C C"], steps=2)
    assert len(passes) == 2 + 1  # whatever the number of texts


def test_several_runs_are_laid_over_one_another(load: Callable[..., Translator]) -> None:
    runs = {name: load(*more) for name, more in {"lstm": (), "rnn": ('model.cell="rnn"',)}.items()}
    view = gradients(runs, TEXTS)
    assert [each.name for each in view.curves] == ["lstm", "rnn"]
    assert [each.run for each in view.training] == ["lstm", "rnn"]
    assert view.training[0].update[-1] == 30
    arrays = view.arrays()
    np.testing.assert_array_equal(arrays["curves/rnn/median"], view.curves[1].median)
    assert set(view.as_dict()) == {"curves", "connectivity", "training"}
    assert len(view.pictures()) == 7  # curves, what the encoder and the decoder read, two of each run's norms
    assert any("k=2" in line for line in view.lines())


def test_a_step_that_is_not_predicted_is_named(translator: Translator) -> None:
    with pytest.raises(UserError, match="nothing is predicted at step 9; the last step is 3"):
        gradients({"mine": translator}, TEXTS, ANSWERS, at=9)
    with pytest.raises(UserError, match="no text"):
        gradients({"mine": translator}, [])


def test_runs_that_write_are_looked_into_at_the_first_ones_answers(
    load: Callable[..., Translator], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {name: load(*more) for name, more in {"lstm": (), "rnn": ('model.cell="rnn"',)}.items()}
    read: list[Any] = []
    for each in runs.values():
        monkeypatch.setattr(each, "read", lambda t, a, one=each: read.append(a) or type(one).read(one, t, a))
    gradients(runs, TEXTS)
    assert read == [[each.text for each in runs["lstm"].translate(TEXTS)]] * 2
