"""A sequence in, a sequence out (Sutskever, Vinyals & Le 2014; Cho et al. 2014)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from unrolled.decoding.sampling import Drawing
from unrolled.errors import UserError
from unrolled.kernels.step import Program
from unrolled.models.decoder import Decoder, DecoderState, Forced
from unrolled.models.encoder import Encoded, Encoder
from unrolled.models.make import make_embedding
from unrolled.models.program import compile_step
from unrolled.models.settings import DecoderSettings, EncoderDecoderSettings
from unrolled.nn.embedding import tie


class ReaderWriter(nn.Module):
    """An encoder of anything and a decoder: what training and search see of every model that writes.

    A source is ``(inputs, lengths)`` as the encoder takes them, time first; a target stands between bos and
    eos.
    """

    settings: DecoderSettings
    encoder: nn.Module
    decoder: Decoder

    def forward(
        self,
        source: Shaped[Tensor, "source batch *features"],
        source_lengths: Int[Tensor, " batch"],
        target: Int[Tensor, "target batch"],
    ) -> tuple[Float[Tensor, ""], int]:
        """The loss of predicting ``target``: in nats, summed, and over how many tokens.

        What the settings add to it (label smoothing and the like) counts while training alone.
        """
        if self.training and self.settings.consistency:
            source, target = (torch.cat((each, each), dim=1) for each in (source, target))
            encoded = self.encoder(source, torch.cat((source_lengths, source_lengths)))
            return self.decoder.loss_of_two(encoded, target, self.settings.consistency)
        return self.decoder.loss(self.encoder(source, source_lengths), target)

    def forced(
        self,
        source: Shaped[Tensor, "source batch *features"],
        source_lengths: Int[Tensor, " batch"],
        target: Int[Tensor, "target batch"],
        *,
        attention: bool = False,
    ) -> Forced:
        """How probable given targets are, token by token, and what each token looked at if asked."""
        return self.decoder.forced(self.encoder(source, source_lengths), target, attention=attention)

    # unrolled.decoding.Decoder

    def start(
        self,
        source: tuple[Shaped[Tensor, "source batch *features"], Int[Tensor, " batch"]],
        program: Program | None = None,
    ) -> DecoderState:
        """Read ``(inputs, lengths)``, once. Steps go by ``program``, if given."""
        encoded: Encoded = self.encoder(*source)
        return self.decoder.start(encoded, program)

    def step(
        self, state: DecoderState, tokens: Int[Tensor, " rows"]
    ) -> tuple[DecoderState, Float[Tensor, "rows vocabulary"]]:
        """:meth:`Decoder.step`."""
        return self.decoder.step(state, tokens)

    def step_top(
        self, state: DecoderState, tokens: Int[Tensor, " rows"], k: int
    ) -> tuple[DecoderState, Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
        """:meth:`Decoder.step_top`."""
        return self.decoder.step_top(state, tokens, k)

    def draw(
        self,
        state: DecoderState,
        tokens: Int[Tensor, " rows"],
        uniform: Float[Tensor, "steps rows"],
        drawing: Drawing,
    ) -> tuple[DecoderState, Float[Tensor, "made rows"], Int[Tensor, "made rows"]]:
        """:meth:`Decoder.draw`."""
        return self.decoder.draw(state, tokens, uniform, drawing)

    def program(self, weights: str = "float32") -> Program | None:
        """The native step of the decoder (:func:`unrolled.models.program.compile_step`)."""
        return compile_step(self.decoder, weights)

    def select(self, state: DecoderState, rows: Int[Tensor, " n"]) -> DecoderState:
        """:meth:`Decoder.select`."""
        return self.decoder.select(state, rows)


class EncoderDecoder(ReaderWriter):
    """An encoder of ids and a decoder.

    Args:
        source_size, target_size: entries of the two vocabularies.
        padding: the id of padding, in both.

    Raises:
        UserError: settings that do not fit one another.
    """

    encoder: Encoder

    def __init__(
        self, settings: EncoderDecoderSettings, source_size: int, target_size: int, *, padding: int = 0
    ) -> None:
        super().__init__()
        self.settings = settings
        embedding = make_embedding(settings, source_size, padding=padding)
        self.encoder = Encoder(settings, embedding)
        self.decoder = Decoder(
            settings, target_size, self.encoder.feature_size, self.encoder.state_size, padding=padding
        )
        if settings.tie == "all":
            if source_size != target_size:
                raise UserError(
                    f'tie="all": the vocabularies have {source_size} and {target_size} entries; both sides'
                    ' need one vocabulary (shared = true in [text]), or tie = "target"'
                )
            tie(self.decoder.embedding, embedding)
