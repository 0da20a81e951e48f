"""A recurrent language model (Mikolov et al. 2010; Zaremba et al. 2014; Merity et al. 2018, AWD-LSTM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.decoding.sampling import Drawing, draw_steps
from unrolled.kernels.step import MOST, Program
from unrolled.kernels.top import top
from unrolled.models.language_settings import LanguageModelSettings
from unrolled.models.make import make_embedding, make_layers
from unrolled.models.program import compile_language_step, draw_natively
from unrolled.models.segments import Segments
from unrolled.nn.adaptive import Projection, make_projection
from unrolled.nn.cells import State
from unrolled.nn.dropout import dropout
from unrolled.nn.embedding import tie


class Read(NamedTuple):
    """What reading some tokens leaves.

    Attributes:
        output: of the last layer, ``(time, batch, output)``.
        features: what is projected on the vocabulary, ``(time, batch, features)``.
        state: after the last step; each quantity ``(layers, batch, …)``.
    """

    output: Float[Tensor, "time batch output"]
    features: Float[Tensor, "time batch features"]
    state: State


@dataclass(frozen=True)
class LanguageState:
    """The state of each row, every quantity ``(layers, rows, …)``; and the native step if there is one."""

    parts: State
    program: Program | None = None

    @property
    def rows(self) -> int:
        return self.parts[0].shape[1]


class LanguageModel(nn.Module):
    """Embedding, recurrent layers, projection on the vocabulary: log P(y⟨t⟩ | y⟨<t⟩). Ids are time first.

    It is a :class:`unrolled.decoding.Decoder` whose source are the tokens that come before the first.

    Args:
        vocabulary: ids there are.
        padding: the id that is no token; as a target it is not counted.
        reset_at: reading this id, the state before it is zero: another document begins. Not for ragged
            batches, whose rows are documents already.
    """

    def __init__(
        self,
        settings: LanguageModelSettings,
        vocabulary: int,
        *,
        padding: int = 0,
        reset_at: int | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.padding = padding
        self.reset_at = reset_at
        self.embedding = make_embedding(settings, vocabulary, padding=padding)
        self.layers = make_layers(settings, settings.embedding_size)
        features = settings.embedding_size if settings.tie else self.layers.output_size
        self.bottleneck = (
            None if features == self.layers.output_size else nn.Linear(self.layers.output_size, features)
        )
        self.projection = make_projection(features, vocabulary, cutoffs=settings.cutoffs, tied=settings.tie)
        if settings.tie:
            tie(self.embedding, self.projection)

    def forward(
        self,
        inputs: Int[Tensor, "time batch"],
        targets: Int[Tensor, "time batch"],
        state: State | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, ""], State]:
        """The summed loss in nats of predicting ``targets``, with the penalties a token; and the state.

        Penalties (Merity et al. 2017, section 4) count in training alone, once for each token.
        """
        read = self.read(inputs, state, lengths=lengths)
        total = self.projection.loss(
            read.features.flatten(0, 1),
            targets.flatten(),
            ignore_index=self.padding,
            gradient_floor=self.settings.gradient_floor,
        )
        if self.training:
            real = targets != self.padding
            total = total + real.sum() * self._penalty(read, real)
        return total, read.state

    def read(
        self,
        inputs: Int[Tensor, "time batch"],
        state: State | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Read:
        """Read tokens, from zeros or from the state that other tokens left."""
        vectors = self.embedding(inputs)
        resets = None if self.reset_at is None else inputs == self.reset_at
        if resets is None or not bool(resets.any()):
            output, after = self._run(vectors, state, lengths)
        else:
            segments = Segments.cut(resets)
            begin = None if state is None else segments.begin(state)
            output, after = self._run(segments.split(vectors), begin, segments.lengths)
            output, after = segments.join(output, len(inputs)), segments.end(after)
        features = output if self.bottleneck is None else self.bottleneck(output)
        if self.training and self.settings.readout_dropout:
            features = features * dropout(torch.ones_like(features[0]), self.settings.readout_dropout)
        return Read(output, features, after)

    def _run(self, vectors: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        output, after = self.layers(vectors, state, lengths=lengths)
        return output, (after,) if isinstance(after, Tensor) else after

    def _penalty(self, read: Read, real: Tensor) -> Tensor:
        """α·mean(f²) of the features + β·mean((a⟨t+1⟩ − a⟨t⟩)²) of the output, over real positions."""
        settings, penalty = self.settings, read.output.new_zeros(())
        if settings.activation_penalty:
            penalty = penalty + settings.activation_penalty * read.features[real].pow(2).mean()
        if settings.temporal_penalty and len(real) > 1:
            moved = (read.output[1:] - read.output[:-1])[real[1:]]
            penalty = penalty + settings.temporal_penalty * moved.pow(2).mean()
        return penalty

    def log_probs(
        self,
        inputs: Int[Tensor, "time batch"],
        targets: Int[Tensor, "time batch"],
        state: State | None = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "time batch"], State]:
        """log P of each target given all before it, zero where it is padding; and the state after them.

        Differentiable, to be looked into; calling the model is the way to train it.
        """
        read = self.read(inputs, state, lengths=lengths)
        real = targets != self.padding
        found = self.projection.target_log_probs(read.features[real], targets[real])
        return found.new_zeros(real.shape).masked_scatter_(real, found), read.state

    # unrolled.decoding.Decoder

    def start(self, source: Int[Tensor, "time batch"], program: Program | None = None) -> LanguageState:
        """Read what comes before the first token, or nothing (no steps). Draws go by ``program`` if given."""
        like = self.embedding.weight
        cells = [cell.initial_state(source.shape[1], like=like) for cell in self.layers.cells]  # type: ignore[operator]
        state: State = tuple(torch.stack(parts) for parts in zip(*cells, strict=True))
        state = self.read(source, state).state if len(source) else state
        return LanguageState(state, program or self.program())

    def program(self, weights: str = "float32") -> Program | None:
        """The native step (:func:`unrolled.models.program.compile_language_step`)."""
        return compile_language_step(self, weights)

    def step(
        self, state: LanguageState, tokens: Int[Tensor, " rows"]
    ) -> tuple[LanguageState, Float[Tensor, "rows vocabulary"]]:
        """Feed each row its last token; the log-probabilities of the next."""
        read = self.read(tokens[None], state.parts)
        return replace(state, parts=read.state), self.projection.log_probs(read.features[0])

    def step_top(
        self, state: LanguageState, tokens: Int[Tensor, " rows"], k: int
    ) -> tuple[LanguageState, Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
        """:meth:`step` and the ``k`` likeliest tokens of each row, by one native call where that can be."""
        if state.program is not None and k <= MOST:
            after, best, ids = state.program.run(_by_layer(state.parts), tokens, k)
            return replace(state, parts=_by_kind(after, len(state.parts))), best, ids
        if isinstance(self.projection, Projection):
            state, log_probs = self.step(state, tokens)
            return state, *top(log_probs, k)
        read = self.read(tokens[None], state.parts)
        best, ids = self.projection.top(read.features[0], min(k, len(self.embedding.weight)))
        return replace(state, parts=read.state), best, ids

    def draw(
        self,
        state: LanguageState,
        tokens: Int[Tensor, " rows"],
        uniform: Float[Tensor, "steps rows"],
        drawing: Drawing,
    ) -> tuple[LanguageState, Float[Tensor, "made rows"], Int[Tensor, "made rows"]]:
        """Steps and draws, in one native call where that can be."""
        if state.program is None:
            return draw_steps(self, state, tokens, uniform, drawing)
        after, log_probs, ids = draw_natively(state.program, _by_layer(state.parts), tokens, uniform, drawing)
        return replace(state, parts=_by_kind(after, len(state.parts))), log_probs, ids

    def select(self, state: LanguageState, rows: Int[Tensor, " n"]) -> LanguageState:
        """The state of some rows, possibly repeated."""
        return replace(state, parts=tuple(part[:, rows] for part in state.parts))


def _by_layer(parts: State) -> list[Tensor]:
    """A state as a native step takes it: one layer's after the other, ``(rows, …)``."""
    return [part[layer] for layer in range(len(parts[0])) for part in parts]


def _by_kind(flat: Sequence[Tensor], kinds: int) -> State:
    """The reverse of :func:`_by_layer`."""
    return tuple(torch.stack(tuple(flat[kind::kinds])) for kind in range(kinds))
