from __future__ import annotations

import pytest
import torch
from torch import nn

from unrolled.errors import UserError
from unrolled.nn.attention import make_attention
from unrolled.nn.attentive import (
    Attentional,
    Bahdanau,
    DecoderMemory,
    Luong,
    Stacked,
    project_one,
    state_sizes,
)
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.levels import unroll_levels
from unrolled.nn.unroll import unroll

WORD, HIDDEN, FEATURES, SOURCE, BATCH, TIME = 3, 4, 5, 6, 2, 7


class Leaky(Cell):
    """A user's own cell: nothing but a step."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, projected, state, memory=None):
        (a,) = state
        return (0.5 * a + 0.5 * torch.tanh(self.inner(torch.cat((projected, a), dim=-1))),)


class Projecting(Leaky):
    """A user's own cell that projects, in two parts, and knows nothing of ``join``."""

    def __init__(self, input_size, hidden_size):
        super().__init__(hidden_size, hidden_size)
        self.input_size = input_size
        self.outer = nn.Linear(input_size, hidden_size)

    def project(self, inputs):
        return self.outer(inputs), inputs.sum(-1, keepdim=True)

    def step(self, projected, state, memory=None):
        return super().step(projected[0] * projected[1], state)


class Normed(GRU):
    """A built-in cell but for its projection, to which the inherited ``join`` cannot add."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.norm = nn.LayerNorm(3 * hidden_size)

    def project(self, inputs):
        return self.norm(super().project(inputs))


CELLS = {
    "normed": Normed,
    "rnn": RNN,
    "gru": GRU,
    "gru-after": lambda i, h: GRU(i, h, reset="after"),
    "lstm": LSTM,
    "peephole": lambda i, h: LSTM(i, h, peepholes="current"),
    "own": Leaky,
    "own-projecting": Projecting,
    "deep": lambda i, h: Stacked([LSTM(i, 6), GRU(6, h)]),
    "deep-own": lambda i, h: Stacked([Projecting(i, 6), Leaky(6, h)]),
}


def decoder(kind, cell="gru", score="additive", seed=0):
    torch.manual_seed(seed)
    attention = make_attention(score, HIDDEN, FEATURES)
    if kind == "bahdanau":
        made = Bahdanau(CELLS[cell](WORD + FEATURES, HIDDEN), attention)
    else:
        made = Luong(CELLS[cell](WORD + 8, HIDDEN), Attentional(attention, 8))
    return made.double(), attention


def example(attention, seed=1):
    torch.manual_seed(seed)
    lengths = torch.tensor([SOURCE, 2])
    features = torch.randn(SOURCE, BATCH, FEATURES, dtype=torch.double)
    words = torch.randn(TIME, BATCH, WORD, dtype=torch.double)
    return words, DecoderMemory(attention.remember(features, lengths)), features, lengths


def by_hand(kind, made, words, memory):
    """The recurrence as the papers write it, with nothing hoisted."""
    cell = made.cell
    inner = cell.initial_state(BATCH, like=words)
    attentional = words.new_zeros(BATCH, 8)
    outputs, alignments = [], []
    for y in words:
        if kind == "bahdanau":
            context, weights = made.attention(cell.output(inner), memory.attention)
            inner = cell.step(project_one(cell, torch.cat((y, context), -1)), inner)
            outputs.append(torch.cat((cell.output(inner), context), -1))
        else:
            inner = cell.step(project_one(cell, torch.cat((y, attentional), -1)), inner)
            s = cell.output(inner)
            context, weights = made.attentional.attention(s, memory.attention)
            attentional = torch.tanh(torch.cat((context, s), -1) @ made.attentional.weight.T)
            outputs.append(attentional)
        alignments.append(weights)
    return torch.stack(outputs), torch.stack(alignments)


@pytest.mark.parametrize("score", ["additive", "general"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_follows_the_equations(kind, cell, score):
    made, attention = decoder(kind, cell, score)
    words, memory, _, _ = example(attention)
    output, state = unroll(made, words, memory=memory)
    record = unroll(made, words, memory=memory, record=("attention",)).record
    expected, alignment = by_hand(kind, made, words, memory)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(made.output(state), expected[-1])
    torch.testing.assert_close(record["attention"], alignment)
    assert output.shape[-1] == made.output_size
    assert record["attention"][:, 1, 2:].eq(0).all()
    # The gradients, whatever was hoisted or deferred.
    torch.manual_seed(3)
    direction = torch.randn_like(output)
    ours = torch.autograd.grad((output * direction).sum(), list(made.parameters()), retain_graph=True)
    theirs = torch.autograd.grad((expected * direction).sum(), list(made.parameters()))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_padding_and_batch_never_change_a_row(kind):
    made, attention = decoder(kind, "deep")
    words, memory, features, lengths = example(attention)
    together = unroll(made, words, lengths=[TIME, 4], memory=memory)
    alone = unroll(
        made, words[:4, 1:], memory=DecoderMemory(attention.remember(features[:2, 1:], lengths[1:]))
    )
    torch.testing.assert_close(together.output[:4, 1:], alone.output)
    assert together.output[4:, 1].eq(0).all()
    for one, other in zip(together.state, alone.state, strict=True):
        torch.testing.assert_close(one[1:], other)


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
@pytest.mark.parametrize("cell", ["gru", "peephole"])
def test_gradients(kind, cell):
    made, attention = decoder(kind, cell)
    words, _, features, lengths = example(attention)

    def run(words, features, *weights):
        memory = DecoderMemory(attention.remember(features, lengths))
        return unroll(made, words[:3], memory=memory, lengths=[3, 2]).output

    inputs = (words.requires_grad_(), features.requires_grad_(), *made.parameters())
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_deep_cell_is_one_layer_after_another():
    torch.manual_seed(0)
    cells = [LSTM(WORD, 6), GRU(6, 5), RNN(5, HIDDEN)]
    deep = Stacked(cells).double()
    words = torch.randn(TIME, BATCH, WORD, dtype=torch.double)
    output, state = unroll(deep, words, lengths=[TIME, 3])
    layer = words
    for cell, part in zip(cells, deep.split(state), strict=True):
        layer, final = unroll(cell, layer, lengths=[TIME, 3])
        for one, other in zip(part, final, strict=True):
            torch.testing.assert_close(one, other)
    torch.testing.assert_close(output, layer)
    levels = unroll_levels(
        deep, words, deep.initial_state(BATCH, like=words), lengths=torch.tensor([TIME, 3])
    )
    torch.testing.assert_close(levels.output, layer)
    for one, other in zip(levels.state, state, strict=True):
        torch.testing.assert_close(one, other)
    assert state_sizes(deep) == [6, 6, 5, HIDDEN]


def test_deep_cell_drops_between_layers_only_while_training():
    torch.manual_seed(0)
    deep = Stacked([RNN(WORD, 6), RNN(6, HIDDEN)], dropout=0.5)
    words = torch.randn(TIME, BATCH, WORD)
    assert not torch.equal(unroll(deep, words).output, unroll(deep, words).output)
    deep.eval()
    assert torch.equal(unroll(deep, words).output, unroll(deep, words).output)


def test_luong_without_feeding_attends_to_all_steps_at_once():
    _, attention = decoder("luong", score="general")
    attentional = Attentional(attention, 8).double()
    _, memory, _, _ = example(attention)
    s = torch.randn(TIME, BATCH, HIDDEN, dtype=torch.double)
    states, weights = attentional.all_steps(s, memory.attention)
    for t in range(TIME):
        state, weight = attentional(s[t], memory.attention)
        torch.testing.assert_close(states[t], state)
        torch.testing.assert_close(weights[t], weight)


def test_variational_mask_reaches_the_inner_cell():
    made, attention = decoder("bahdanau", "gru")
    words, memory, _, _ = example(attention)
    mask = torch.tensor([[0.0, 2, 0, 2], [1, 1, 1, 1]], dtype=torch.double)
    plain = unroll(made, words, memory=memory).output
    masked = unroll(made, words, memory=memory._replace(cell=mask)).output
    assert not torch.allclose(plain[:, 0], masked[:, 0])
    torch.testing.assert_close(plain[:, 1], masked[:, 1])


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="6 features"):
        Stacked([RNN(3, 6), RNN(5, 4)])
    with pytest.raises(UserError, match="dropout=1: it must be"):
        Stacked([RNN(3, 6), RNN(6, 4)], dropout=1)
    with pytest.raises(UserError, match="Bahdanau: the inner cell's input_size is 5"):
        Bahdanau(RNN(FEATURES, HIDDEN), make_attention("additive", HIDDEN, FEATURES))
    with pytest.raises(UserError, match=r"Bahdanau: the attention's query_size is 6.*output_size, 4"):
        Bahdanau(RNN(WORD + FEATURES, HIDDEN), make_attention("additive", 6, FEATURES))
    with pytest.raises(UserError, match=r"Luong: the attention's query_size is 6"):
        Luong(RNN(WORD + 8, HIDDEN), Attentional(make_attention("general", 6, FEATURES), 8))


def test_what_is_of_another_kind_is_refused():
    attention = make_attention("general", HIDDEN, FEATURES)
    with pytest.raises(UserError, match="Luong: it takes an Attentional; it was given: GeneralAttention"):
        Luong(RNN(WORD + HIDDEN, HIDDEN), attention)
    with pytest.raises(UserError, match="Bahdanau: it takes an Attention; it was given: Attentional"):
        Bahdanau(RNN(WORD + FEATURES, HIDDEN), Attentional(attention))
    for kind in ("bahdanau", "luong"):
        made, attention = decoder(kind)
        words, memory, _, _ = example(attention)
        for given in (None, memory.attention):
            with pytest.raises(UserError, match="its memory must be a DecoderMemory"):
                unroll(made, words, memory=given)
