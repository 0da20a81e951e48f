"""A step of a model that writes, as a program for the native kernels, where they know its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unrolled.decoding.sampling import Drawing
from unrolled.errors import UserError
from unrolled.kernels.matrix import Matrix
from unrolled.kernels.step import Program, Source
from unrolled.models.readout import Readout
from unrolled.nn import native
from unrolled.nn.adaptive import Projection
from unrolled.nn.attention import AdditiveAttention, Attention, DotAttention, GeneralAttention
from unrolled.nn.attentive import Bahdanau, Luong, Stacked, state_sizes
from unrolled.nn.cells import GRU, LSTM, RNN, Cell
from unrolled.nn.embedding import Embedding

if TYPE_CHECKING:
    from unrolled.models.decoder import Decoder
    from unrolled.models.language_model import LanguageModel

_CELLS = (RNN, GRU, LSTM)
_SCORES = (AdditiveAttention, GeneralAttention, DotAttention)


def compile_step(decoder: Decoder, weights: str = "float32") -> Program | None:
    """The program of ``decoder.step`` with the likeliest words chosen; None where there is none.

    Args:
        weights: how matrices are read (:data:`unrolled.decoding.settings.Weights`), which are copied to the
            order in which that is done. Embeddings, biases, states and sums are float32 in any case.
    """
    inner, attention = decoder.inner, decoder.attention
    cells = list(inner.cells) if type(inner) is Stacked else [inner]
    if (
        not _known(decoder, decoder.embedding, cells)
        or (type(decoder.cell) not in (Bahdanau, Luong) and decoder.cell is not inner)
        or (attention is not None and type(attention) not in _SCORES)
        or type(decoder.readout) is not Readout
    ):
        return None
    return _DecoderCompiler(decoder, cells, attention, weights).program


def compile_language_step(model: LanguageModel, weights: str = "float32") -> Program | None:
    """The same of ``model.step``; the program's state is that of one layer after the other."""
    cells: list[Any] = list(model.layers.cells)
    if (
        not _known(model, model.embedding, cells)
        or model.layers.layer_norm
        or type(model.projection) is not Projection
    ):
        return None
    return _LanguageCompiler(model, cells, weights).program


def draw_natively(
    program: Program,
    state: Sequence[Tensor],
    tokens: Tensor,
    uniform: Tensor,
    drawing: Drawing,
    source: Source | None = None,
) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """What a decoder's ``draw`` answers, of the program's state."""
    sampling = drawing.sampling
    return program.draw(
        state,
        tokens,
        uniform,
        source,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        forbidden=drawing.forbidden,
        end=drawing.eos,
        spared=drawing.spared,
    )


def _known(model: nn.Module, embedding: nn.Module, cells: Sequence[Cell]) -> bool:
    return (
        not torch.is_grad_enabled()
        and not model.training
        and all(type(cell) in _CELLS for cell in cells)
        and type(embedding) is Embedding
        and embedding.weight.dtype == torch.float32
        and native.applies(*model.parameters())
    )


class Packed:
    """A model that writes, for searches: its steps read a copy of its decoder's matrices in fewer bits.

    The last step of the longest permitted output, which is eos, is the model's own. Of the first 300 test
    sentences of a Multi30k translator (LSTM 512, beam 5), 298 came out as with float32 in bfloat16 and 287
    in int8; BLEU fell by 0.00 and 0.04. A model of Shakespeare's characters (LSTM 192) has a test perplexity
    of 5.761 in float32 and in bfloat16, of 5.765 in int8.

    Raises:
        UserError: the native kernels do not know this model's step.
    """

    def __init__(self, model: Any, weights: str) -> None:
        with torch.no_grad():
            program = model.program(weights) if hasattr(model, "program") else None
        if program is None:
            raise UserError(
                f"weights={weights!r}: only the native kernels read such weights, on a CPU, of one model with"
                ' built-in cells, without cutoffs or layer_norm; choose "float32"'
            )
        self.program = program
        self._start = model.start
        for name in ("step", "step_top", "draw", "select"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def start(self, source: Any) -> Any:
        return self._start(source, self.program)


class Packings:
    """A model by how its matrices are read: :class:`Packed` once each; itself where float32 cannot be.

    Made anew when a weight has been changed, so far as autograd counts it (``.data`` goes unnoticed, and
    weights made in inference mode).
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._made: dict[str, Packed] = {}
        self._weights: Any = None

    def __getitem__(self, weights: str) -> Any:
        now = [
            (each.data_ptr(), 0 if each.is_inference() else each._version) for each in self.model.parameters()
        ]
        if now != self._weights:
            self._made, self._weights = {}, now
        if weights not in self._made:
            try:
                self._made[weights] = Packed(self.model, weights)
            except UserError:
                if weights != "float32":
                    raise
                return self.model
        return self._made[weights]


class _Compiler:
    """The parts that every model is made of."""

    def __init__(self, state: Sequence[int], weights: str, reset_at: int | None = None) -> None:
        self.weights = weights
        self.program = Program(state, reset_at)

    def products(
        self,
        inputs: Sequence[int],
        weight: Tensor,
        out: int,
        *,
        bias: Tensor | None = None,
        accumulate: bool = False,
        nonlinearity: str = "none",
    ) -> None:
        """``out = f(W[inputs] + bias)``."""
        matrix, column = Matrix.of(weight, self.weights), 0
        for i, each in enumerate(inputs):
            width = self.program.places[each].width
            self.program.product(
                each,
                matrix.part(columns=slice(column, column + width)),
                out,
                bias=bias if i == 0 else None,
                accumulate=accumulate or i > 0,
                nonlinearity=nonlinearity if i == len(inputs) - 1 else "none",
            )
            column += width

    def cells(self, cells: Sequence[Any], inputs: Sequence[int], first: int | None = None) -> None:
        """Cells upon one another; ``first`` holds the product of the lowest one's input, if there is one."""
        entry = 0
        for cell in cells:
            z = self.place(cell, entry) if first is None else first
            if first is None:
                self.products(inputs, cell.input_weight, z, bias=cell.bias)
            self.cell(cell, z, entry)
            first = None
            inputs = [self.program.made(entry)]
            entry += len(state_sizes(cell))

    def place(self, cell: Any, entry: int) -> int:
        """Where the product of a cell's input goes, with its bias."""
        return (
            self.program.made(entry)
            if type(cell) is RNN
            else self.program.scratch(len(cell.gates) * cell.hidden_size)
        )

    def cell(self, cell: Any, z: int, entry: int) -> None:
        """A cell's step; ``z`` is the product of its input (:meth:`place`)."""
        program, size = self.program, cell.hidden_size
        before, after = program.given(entry), program.made(entry)
        if type(cell) is RNN:
            self.products(
                [before], cell.recurrent_weight, after, accumulate=True, nonlinearity=cell.nonlinearity
            )
            return
        if type(cell) is LSTM:
            self.products([before], cell.recurrent_weight, z, accumulate=True)
            form = f"{cell.peepholes} {cell.output_nonlinearity}"
            program.lstm(z, program.given(entry + 1), after, program.made(entry + 1), form, cell.peephole)
            return
        if cell.reset == "none":
            self.products([before], cell.recurrent_weight, z, accumulate=True)
            program.gru_close(z, before, after, cell.reset)
            return
        recurrent, split = Matrix.of(cell.recurrent_weight, self.weights), 2 * size
        inner = program.scratch(size)
        program.product(before, recurrent.part(slice(split)), z, accumulate=True)
        candidate = recurrent.part(slice(split, None))
        if cell.reset == "after":
            program.product(before, candidate, inner, bias=cell.recurrent_bias)
            program.gru_close(z, before, after, cell.reset, inner)
        else:
            program.gru_open(z, before, inner)
            program.product(inner, candidate, program.part(z, split), accumulate=True)
            program.gru_close(z, before, after, cell.reset)


class _DecoderCompiler(_Compiler):
    def __init__(
        self, decoder: Decoder, cells: Sequence[Cell], attention: Attention | None, weights: str
    ) -> None:
        super().__init__(state_sizes(decoder.cell), weights)
        program, self.attention = self.program, attention
        table = decoder.embedding
        word = program.scratch(table.features)
        program.embed(table.weight, table.padding, word)
        # The top cell's hidden state is the first of its entries.
        top = sum(len(state_sizes(cell)) for cell in cells[:-1])
        output = [program.made(top)]
        if isinstance(decoder.cell, Bahdanau):
            context = program.made(-1)
            self.attend(program.given(top), context)
            self.cells(cells, [word, context])
            output.append(context)
        else:
            self.cells(cells, [word, program.given(-1)] if isinstance(decoder.cell, Luong) else [word])
        attentional = decoder.cell.attentional if isinstance(decoder.cell, Luong) else decoder.attentional
        if attentional is not None:
            context = program.scratch(attentional.attention.feature_size)
            self.attend(output[0], context)
            attended = (
                program.made(-1) if isinstance(decoder.cell, Luong) else program.scratch(attentional.size)
            )
            self.products([context, *output], attentional.weight, attended, nonlinearity="tanh")
            output = [attended]
        readout = decoder.readout
        if readout.combine is not None:
            features = program.scratch(readout.combine.out_features)
            seen = [*output, word] if readout.sees_word else output
            combine = readout.combine
            self.products(seen, combine.weight, features, bias=combine.bias, nonlinearity="tanh")
            output = [features]
        projection = readout.projection
        program.top(output[0], Matrix.of(projection.weight, weights), projection.bias)

    def attend(self, query: int, context: int) -> None:
        energy_weight = None
        if isinstance(self.attention, AdditiveAttention):
            asked = self.program.scratch(self.attention.size)
            self.products([query], self.attention.query_weight, asked)
            query, energy_weight = asked, self.attention.energy_weight
        self.program.attend(query, context, energy_weight)


_FOLDED = 1 << 20
"""The most numbers of a table of the first cell's input products: it is to stay in a processor's cache."""


class _LanguageCompiler(_Compiler):
    def __init__(self, model: LanguageModel, cells: Sequence[Any], weights: str) -> None:
        super().__init__([size for cell in cells for size in state_sizes(cell)], weights, model.reset_at)
        program, table, first = self.program, model.embedding, cells[0]
        if len(table.weight) * len(first.input_weight) <= _FOLDED:
            # What the first cell makes of a word, once for all: half of the weights that a step reads.
            vectors = table(torch.arange(len(table.weight), device=table.weight.device))
            product = self.place(first, 0)
            program.embed(torch.addmm(first.bias, vectors, first.input_weight.t()), None, product)
            self.cells(cells, [], product)
        else:
            word = program.scratch(table.features)
            program.embed(table.weight, table.padding, word)
            self.cells(cells, [word])
        output = program.made(-len(state_sizes(cells[-1])))
        if model.bottleneck is not None:
            features = program.scratch(model.bottleneck.out_features)
            self.products([output], model.bottleneck.weight, features, bias=model.bottleneck.bias)
            output = features
        projection = model.projection
        assert isinstance(projection, Projection)
        program.top(output, Matrix.of(projection.weight, weights), projection.bias)
