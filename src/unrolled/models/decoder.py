"""Writing: one word after another, each from the words before it and what was read.

The decoder knows nothing of where its source comes from: an :class:`~unrolled.models.encoder.Encoded` may be
a sentence's states or a picture's regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.decoding.sampling import Drawing, draw_steps
from unrolled.kernels.step import MOST, Program, Source
from unrolled.kernels.top import top
from unrolled.models.bridge import Bridge
from unrolled.models.encoder import Encoded
from unrolled.models.make import make_embedding
from unrolled.models.program import compile_step, draw_natively
from unrolled.models.readout import Readout
from unrolled.models.settings import DecoderSettings
from unrolled.nn.attention import Attention, AttentionMemory, make_attention
from unrolled.nn.attentive import (
    Attentional,
    Attentive,
    Bahdanau,
    DecoderMemory,
    Luong,
    Stacked,
    project_one,
)
from unrolled.nn.cells import Cell, State
from unrolled.nn.dropout import dropout
from unrolled.nn.embedding import tie
from unrolled.nn.levels import unroll_levels
from unrolled.nn.loss import projected_divergence
from unrolled.nn.register import cell as make_cell
from unrolled.nn.unroll import unroll


@dataclass(frozen=True)
class DecoderState:
    """Where a decoder stands: one row a hypothesis.

    Attributes:
        cell: the recurrent state, tensors ``(rows, …)``.
        memory: what it attends to, once a sentence; None without attention.
        program: the step as native kernels make it, where they can.
    """

    cell: State
    memory: AttentionMemory | None
    program: Program | None = None

    @property
    def rows(self) -> int:
        """Hypotheses there are."""
        return len(self.cell[0])


class Forced(NamedTuple):
    """Given targets under a model.

    Attributes:
        log_probs: ``(target, batch)``, log P of each token after the first, zero at padding.
        attention: ``(target, batch, source)`` where asked for and there is attention; zero at padding.
    """

    log_probs: Float[Tensor, "target batch"]
    attention: Float[Tensor, "target batch source"] | None


class Run(NamedTuple):
    """A decoder's way through given words: what is projected on the vocabulary, and what it attended to."""

    features: Float[Tensor, "target batch readout"]
    attention: Float[Tensor, "target batch source"] | None


class Decoder(nn.Module):
    """A recurrent decoder: with Bahdanau's or Luong's attention or none, over any cell in any depth.

    With ``y⟨t−1⟩`` the previous word's vector, what is projected on the vocabulary is

    - Bahdanau: tanh(W[s⟨t⟩, context⟨t⟩, y⟨t−1⟩] + b), over :class:`~unrolled.nn.attentive.Bahdanau`;
    - Luong: s̃⟨t⟩, over :class:`~unrolled.nn.attentive.Luong`; without input feeding over the cell itself and
      for all steps at once;
    - none: s⟨t⟩, or tanh(W s⟨t⟩ + b) where a readout of another size is asked for.

    Args:
        vocabulary: words it can write.
        feature_size, state_size: of what is read (:class:`~unrolled.models.encoder.Encoded`); ``state_size``
            None where that has no state.
        padding: the id that is no word.
    """

    def __init__(
        self,
        settings: DecoderSettings,
        vocabulary: int,
        feature_size: int,
        state_size: int | None,
        *,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.padding = padding
        self.label_smoothing = settings.label_smoothing
        self.doubly_stochastic = settings.doubly_stochastic
        self.recurrent_dropout = settings.recurrent_dropout
        self.embedding = make_embedding(settings, vocabulary, padding=padding, tuned=settings.target_tuned)
        words, dropout = settings.embedding_size, settings.readout_dropout
        size = settings.readout_size or (words if settings.tie != "none" else None)
        self.attentional: Attentional | None = None
        self.cell: Cell
        if settings.attention == "none":
            self.cell = _cells(settings, words)
            output = self.cell.output_size
            self.readout = Readout(output, 0, vocabulary, None if size == output else size, dropout)
        elif settings.attention == "bahdanau":
            inner = _cells(settings, words + feature_size)
            self.cell = Bahdanau(inner, _attention(settings, inner, feature_size))
            output = self.cell.output_size
            self.readout = Readout(output, words, vocabulary, size or inner.output_size, dropout)
        else:
            size = size or settings.hidden_size
            inner = _cells(settings, words + size if settings.input_feeding else words)
            attentional = Attentional(_attention(settings, inner, feature_size), size)
            self.readout = Readout(size, 0, vocabulary, None, dropout)
            if settings.input_feeding:
                self.cell = Luong(inner, attentional)
            else:
                self.cell, self.attentional = inner, attentional
        self.bridge = Bridge(settings.bridge, self.inner, feature_size, state_size)
        if settings.tie != "none":
            tie(self.embedding, self.readout.projection)

    @property
    def inner(self) -> Cell:
        """The cell within the attention."""
        return self.cell.cell if isinstance(self.cell, Attentive) else self.cell

    @property
    def attention(self) -> Attention | None:
        """What it looks at the source with; None without attention."""
        owner = self.attentional or self.cell
        return owner.attention if isinstance(owner, Bahdanau | Luong | Attentional) else None

    # All words known: training and scoring.

    def run(
        self,
        encoded: Encoded,
        words: Int[Tensor, "target batch"],
        lengths: Int[Tensor, " batch"],
        *,
        attention: bool = False,
    ) -> Run:
        """Through given words ``y⟨0⟩ … y⟨T−1⟩``; with ``attention``, also its weights (differentiable)."""
        embedded = self.embedding(words)
        state, memory = self._begin(encoded)
        masks = self._masks(embedded)
        weights: Tensor | None = None
        if isinstance(self.cell, Attentive):
            assert memory is not None
            constant = DecoderMemory(memory, masks)
            record = ("attention",) if attention else ()
            result = unroll(self.cell, embedded, state, lengths=lengths, memory=constant, record=record)
            output, weights = result.output, result.record.get("attention")
        else:
            output = unroll_levels(self.cell, embedded, state, lengths=lengths, memory=masks).output
            if self.attentional is not None:
                assert memory is not None
                output, weights = self.attentional.all_steps(output, memory)
                real = torch.arange(len(words), device=words.device)[:, None] < lengths
                weights = weights.where(real[..., None], 0) if attention else None
        return Run(self.readout(output, embedded), weights)

    def loss(self, encoded: Encoded, target: Int[Tensor, "target batch"]) -> tuple[Float[Tensor, ""], int]:
        """The summed cross-entropy in nats of the tokens of ``target`` given those before them; their number.

        The first token, bos, is not predicted. While training alone, label smoothing counts, and
        λ Σₗ (1 − Σₜ α⟨t,l⟩)², doubly stochastic attention (Xu et al. 2015, section 4.2.1, equation 14).
        """
        total, count, _ = self._loss(encoded, target)
        return total, count

    def loss_of_two(
        self, encoded: Encoded, target: Int[Tensor, "target batch"], consistency: float
    ) -> tuple[Float[Tensor, ""], int]:
        """:meth:`loss` where the second half of the batch is the first again, read under its own dropout.

        The mean loss of the two, and ``consistency`` times the mean of the divergences KL(P₁‖P₂) and
        KL(P₂‖P₁) of what they expect at every step: R-Drop (Liang et al. 2021, section 2, with α = 2 ·
        consistency).
        """
        total, count, features = self._loss(encoded, target)
        (first, second), real = features.chunk(2, dim=1), (target[1:] != self.padding).chunk(2, dim=1)[0]
        projection = self.readout.projection
        apart = projected_divergence(first[real], second[real], projection.weight, projection.bias)
        return total / 2 + consistency * apart, count // 2

    def _loss(self, encoded: Encoded, target: Tensor) -> tuple[Tensor, int, Tensor]:
        """The loss, of how many tokens, and the features it was made from."""
        words, expected, lengths = self._shift(target)
        regular = self.doubly_stochastic > 0 and self.training
        features, attention = self.run(encoded, words, lengths, attention=regular)
        total = self.cross_entropy(features, expected)
        if attention is not None:
            real = torch.arange(attention.shape[2], device=attention.device) < encoded.lengths[:, None]
            looked = attention.sum(0)  # Σₜ α⟨t,l⟩: how much of the sentence looked at each position
            total = total + self.doubly_stochastic * ((1 - looked)[real] ** 2).sum()
        return total, int(lengths.sum()), features

    def cross_entropy(
        self, features: Float[Tensor, "target batch readout"], expected: Int[Tensor, "target batch"]
    ) -> Float[Tensor, ""]:
        """The summed loss of a run's features against the tokens expected of it, in nats."""
        return self.readout.projection.loss(
            features.flatten(0, 1),
            expected.flatten(),
            label_smoothing=self.label_smoothing if self.training else 0.0,
            ignore_index=self.padding,
        )

    def forced(
        self, encoded: Encoded, target: Int[Tensor, "target batch"], *, attention: bool = False
    ) -> Forced:
        """How probable given targets are; with ``attention``, also what each of their tokens looked at.

        Differentiable, to be looked into; :meth:`loss` is the one to train with.
        """
        words, expected, lengths = self._shift(target)
        features, weights = self.run(encoded, words, lengths, attention=attention)
        real = expected != self.padding
        found = self.readout.projection.target_log_probs(features[real], expected[real])
        return Forced(found.new_zeros(real.shape).masked_scatter_(real, found), weights)

    def _shift(self, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What goes in, what should come out, and how many real steps each column has."""
        expected = target[1:]
        return target[:-1], expected, (expected != self.padding).sum(0)

    def _masks(self, embedded: Tensor) -> Any:
        """Variational-dropout masks of the inner cell, drawn anew for each run in training."""
        if not (self.recurrent_dropout and self.training):
            return None
        inner = self.inner
        levels = inner.cells if isinstance(inner, Stacked) else [inner]
        masks = [
            dropout(embedded.new_ones(embedded.shape[1], level.hidden_size), self.recurrent_dropout)
            for level in levels
        ]
        return masks if isinstance(inner, Stacked) else masks[0]

    # One word after another: search and sampling (unrolled.decoding.Decoder).

    def start(self, encoded: Encoded, program: Program | None = None) -> DecoderState:
        """Before the first word. ``program`` steps if given."""
        return DecoderState(*self._begin(encoded), program or compile_step(self))

    def _begin(self, encoded: Encoded) -> tuple[State, AttentionMemory | None]:
        """The first state, and what is attended to: keys are computed here, once a sentence."""
        state = self.bridge(encoded)
        first = self.bridge.first_input(encoded)
        if first is not None:
            state = self.cell.step(project_one(self.cell, first), state, None)
        if isinstance(self.cell, Attentive):
            state = self.cell.begin(state)
        attention = self.attention
        return state, None if attention is None else attention.remember(encoded.output, encoded.lengths)

    def step(
        self, state: DecoderState, tokens: Int[Tensor, " rows"]
    ) -> tuple[DecoderState, Float[Tensor, "rows vocabulary"]]:
        """Feed each row its last token; the log-probabilities of the next."""
        words = self.embedding(tokens)
        memory = None
        if isinstance(self.cell, Attentive):
            assert state.memory is not None
            memory = DecoderMemory(state.memory)
        after = self.cell.step(project_one(self.cell, words), state.cell, memory)
        output = self.cell.output(after)
        if self.attentional is not None:
            output, _ = self.attentional(output, state.memory)
        log_probs = self.readout.projection.log_probs(self.readout(output, words))
        return replace(state, cell=after), log_probs

    def step_top(
        self, state: DecoderState, tokens: Int[Tensor, " rows"], k: int
    ) -> tuple[DecoderState, Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
        """:meth:`step` and the ``k`` likeliest tokens of each row, by one native call where that can be."""
        if state.program is None or k > MOST:
            state, log_probs = self.step(state, tokens)
            return state, *top(log_probs, k)
        after, best, ids = state.program.run(state.cell, tokens, k, _source(state))
        return replace(state, cell=after), best, ids

    def draw(
        self,
        state: DecoderState,
        tokens: Int[Tensor, " rows"],
        uniform: Float[Tensor, "steps rows"],
        drawing: Drawing,
    ) -> tuple[DecoderState, Float[Tensor, "made rows"], Int[Tensor, "made rows"]]:
        """Steps and draws, in one native call where that can be."""
        if state.program is None:
            return draw_steps(self, state, tokens, uniform, drawing)
        after, log_probs, ids = draw_natively(
            state.program, state.cell, tokens, uniform, drawing, _source(state)
        )
        return replace(state, cell=after), log_probs, ids

    def select(self, state: DecoderState, rows: Int[Tensor, " n"]) -> DecoderState:
        """The state of some rows, possibly repeated; what they attend to is indexed, not copied."""
        memory = None if state.memory is None else state.memory.select(rows)
        return replace(state, cell=tuple(part.index_select(0, rows) for part in state.cell), memory=memory)


def _source(state: DecoderState) -> Source | None:
    """What a native step attends to."""
    memory = state.memory
    if memory is None:
        return None
    seats = memory.seats
    return Source.of(memory.keys, memory.values, memory.lengths, None if seats is None else seats.sentence)


def _cells(settings: DecoderSettings, input_size: int) -> Cell:
    """The decoder's recurrence: one cell, or several upon one another."""
    cells: list[Cell] = []
    for _ in range(settings.decoder_layers):
        size = cells[-1].output_size if cells else input_size
        cells.append(make_cell(settings.cell, size, settings.hidden_size, **settings.cell_options))
    return cells[0] if len(cells) == 1 else Stacked(cells, settings.layer_dropout)


def _attention(settings: DecoderSettings, inner: Cell, feature_size: int) -> Attention:
    return make_attention(settings.score, inner.output_size, feature_size, settings.attention_size)
