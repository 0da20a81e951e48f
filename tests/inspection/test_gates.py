from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.errors import UserError
from unrolled.inspection.gates import Gates, Saturation, Trace, gates
from unrolled.inspection.gradients import gradients
from unrolled.nn import Cell, register_cell
from unrolled.tasks.translate import Translator

TEXTS = ["a b c", "d d"]


@torch.no_grad()
def by_hand(cell: Any, inputs: Tensor, reverse: bool) -> dict[str, list[Tensor]]:
    """The equations of an LSTM, spelled out again, over ``inputs (time, 1, input)``."""
    names = ("update", "forget", "candidate", "output", "cell", "hidden")
    found: dict[str, list[Tensor]] = {name: [torch.empty(0)] * len(inputs) for name in names}
    a = c = inputs.new_zeros(1, cell.hidden_size)
    for t in reversed(range(len(inputs))) if reverse else range(len(inputs)):
        z = inputs[t] @ cell.input_weight.T + a @ cell.recurrent_weight.T + cell.bias
        u, f, g, o = z.chunk(4, dim=-1)
        c = u.sigmoid() * g.tanh() + f.sigmoid() * c
        a = o.sigmoid() * c.tanh()
        for name, value in zip(names, (u.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid(), c, a), strict=True):
            found[name][t] = value[0]
    return found


def test_every_gate_is_what_the_equations_give(translator: Translator) -> None:
    model: Any = translator.models[0]
    seen: list[Tensor] = []
    hook = model.encoder.embedding.register_forward_hook(
        lambda module, inputs, output: seen.append(output.clone())
    )
    view = gates(translator, TEXTS)
    hook.remove()
    lengths = [4, 3]  # the tokens and eos
    for direction in range(2):
        cell = model.encoder.layers.cells[direction]
        wholes = [
            by_hand(cell, seen[-1][:length, column : column + 1], reverse=direction == 1)
            for column, length in enumerate(lengths)
        ]
        for name in wholes[0]:
            trace = view.trace(f"encoder.layers.cells.{direction}", name)
            expected = torch.cat([torch.stack(whole[name]) for whole in wholes])
            assert trace.tokens == ["a", "b", "c", "</s>", "d", "d", "</s>"]
            np.testing.assert_allclose(trace.values, expected.detach().float().numpy(), atol=1e-6)


def test_the_decoders_cell_within_its_attention_is_seen(translator: Translator) -> None:
    view = gates(translator, TEXTS, ["C B A", "D D"])
    names = {(trace.cell, trace.name) for trace in view.traces}
    assert {
        ("decoder.cell.cell", "forget"),
        ("decoder.cell.cell", "cell"),
        ("decoder.cell", "hidden"),
    } <= names
    assert not any(trace.name == "attention" for trace in view.traces)
    trace = view.trace("decoder.cell.cell", "cell")
    assert trace.tokens == ["<s>", "C", "B", "A", "<s>", "D", "D"]
    hidden = view.trace("decoder.cell", "hidden").values
    output, cell = view.trace("decoder.cell.cell", "output").values, trace.values
    np.testing.assert_allclose(hidden, output * np.tanh(cell), atol=1e-6)


class Keeper(Cell):
    """A cell of one's own that notes one gate."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, projected, state, memory=None):
        (a,) = state
        keep = self.note("keep", torch.sigmoid(self.inner(torch.cat([a, projected], dim=-1))))
        return (keep * a + (1 - keep),)


def test_a_cell_of_ones_own_has_its_gates_shown(load: Callable[..., Translator]) -> None:
    register_cell("keeper")(Keeper)
    view = gates(load('model.cell="keeper"'), TEXTS)
    assert {each.gate for each in view.saturation} == {"keep"}
    assert view.trace("encoder.layers.cells.0", "hidden").values.shape == (7, 4)


def test_a_cell_without_gates_has_a_hidden_state(load: Callable[..., Translator]) -> None:
    view = gates(load('model.cell="rnn"'), TEXTS)
    assert {trace.name for trace in view.traces} == {"hidden"}
    assert view.saturation == []
    assert "no gates" in "".join(block for section in view.sections() for block in section.blocks)


def test_saturation_counts_values(translator: Translator) -> None:
    view = gates(translator, TEXTS)
    assert view.saturation
    for each in view.saturation:
        values = view.trace(each.cell, each.gate).values
        assert each == Saturation(
            each.cell, each.gate, float(np.mean(values < 0.1)), float(np.mean(values > 0.9))
        )


def test_a_planted_tracker_is_found_first() -> None:
    from unrolled.inspection.gates import _best, _trackers

    tokens = list('say "no (never)" now\nor THEN\n')
    random = np.random.default_rng(0)
    values = random.normal(size=(len(tokens), 6))
    inside = np.cumsum([token == '"' for token in tokens]) % 2
    values[:, 4] = -3.0 * inside + 0.01 * values[:, 4]
    trackers = _trackers([Trace("layers.cells.0", "cell", [tokens], "", values)])
    best = next(each for each in trackers if each.feature == "inside quotes")
    assert (best.unit, round(best.correlation, 2)) == (4, -1.0)
    assert {each.feature for each in trackers} == {
        "inside quotes",
        "bracket depth",
        "position in the line",
        "line length left",
        "upper-case run",
    }
    assert next(each.unit for each in _best([], trackers)) == 4


def test_a_unit_asked_for_is_shown(translator: Translator) -> None:
    view = gates(translator, TEXTS, cell="encoder.layers.cells.1", name="forget", unit=2)
    (shown,) = view.shown
    assert (shown.cell, shown.name, shown.unit) == ("encoder.layers.cells.1", "forget", 2)
    np.testing.assert_array_equal(
        view.as_dict()["shown"][0]["values"], view.trace("encoder.layers.cells.1", "forget").values[:, 2]
    )
    # Left out: the first cell that has such a gate, and the unit that moves most.
    only = gates(translator, TEXTS, name="forget").shown[0]
    variances = view.trace("encoder.layers.cells.0", "forget").values.var(axis=0)
    assert (only.cell, only.unit) == ("encoder.layers.cells.0", int(variances.argmax()))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "upd"}, 'no gate or state of encoder.layers.cells.0 "upd"; there are: .*update.*forget'),
        (
            {"cell": "layers.9"},
            'no cell "layers.9"; there are: encoder.layers.cells.0, encoder.layers.cells.1',
        ),
        ({"unit": 99}, "no unit 99: encoder.layers.cells.0 hidden has units 0 to 3"),
        ({"cell": "encoder.layers.cells.0", "name": "reset"}, "there are: hidden, update"),
    ],
)
def test_unknown_names_list_the_known_ones(translator: Translator, options, says: str) -> None:
    with pytest.raises(UserError, match=says):
        gates(translator, TEXTS, **options)


def test_arrays_hold_every_trace(translator: Translator) -> None:
    view: Gates = gates(translator, TEXTS)
    arrays = view.arrays()
    for trace in view.traces:
        np.testing.assert_array_equal(arrays[f"{trace.cell}/{trace.name}"], trace.values)
        assert arrays[f"{trace.cell}/tokens"].tolist() == trace.tokens
    assert len(view.pictures()) == len(view.shown) > 0
    assert any("forget" in line for line in view.lines())


def test_more_text_than_can_be_kept_is_refused(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unrolled.inspection.opened.MOST", 9)
    told = "12 tokens are more than the 9 of which all can be kept"
    with pytest.raises(UserError, match=f"gates: {told}"):
        gates(translator, ["a b"] * 4, ["A"] * 4)
    with pytest.raises(UserError, match=f"gradients: {told}"):
        gradients({"mine": translator}, ["a b"] * 4, ["A"] * 4)


def test_a_long_text_is_coloured_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gates.__globals__, "COLOURED", 3)
    trace = Trace("cell", "hidden", [[*"abcde"]], "", np.zeros((5, 2)))
    assert trace.coloured(1)["tokens"] == [*"abc"]
    assert len(trace.coloured(1)["values"]) == 3
