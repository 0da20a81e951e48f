"""Steps of a model that writes, in one native call: a :class:`Program` of what is done to its states."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.kernels.library import function
from unrolled.kernels.matrix import FORMATS, Matrix, panels
from unrolled.kernels.structures import pointer, structure

_Instruction = structure(
    "Instruction",
    kind="size",
    variant="size",
    a="size",
    b="size",
    c="size",
    out="size",
    more="size",
    columns="size",
    depth="size",
    weight="pointer",
    stride="size",
    format="size",
    scale="pointer",
    bias="pointer",
    accumulate="size",
    nonlinearity="size",
)
_Step = structure(
    "Step",
    threads="size",
    rows="size",
    count="size",
    instructions="pointer",
    buffers="pointer",
    strides="pointer",
    tokens="pointer",
    sentence="pointer",
    lengths="pointer",
    keys="pointer",
    values="pointer",
    source="size",
    size="size",
    features="size",
    k="size",
    log_probs="pointer",
    ids="pointer",
    steps="size",
    steps_made="pointer",
    end="size",
    state="size",
    reset="size",
    uniform="pointer",
    temperature="double",
    top_k="size",
    top_p="double",
    forbidden="pointer",
    forbidden_count="size",
    spared="size",
    spared_steps="size",
)
_KINDS = ("embed", "product", "gru_open", "gru_close", "lstm", "attend", "top")
_NONLINEARITIES = ("none", "tanh", "relu")

MOST = 128
"""The most words a program chooses: they are kept in order as they are found, too slow for more."""


class Source(NamedTuple):
    """What rows attend to: row r, ``sentence[r]`` of ``keys`` and ``values (sentences, source, ·)``, as far
    as ``lengths (sentences,)`` says."""

    keys: Tensor
    values: Tensor
    lengths: Tensor
    sentence: Tensor

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, lengths: Tensor, sentence: Tensor | None) -> Source:
        """As the kernel reads it; without ``sentence`` row r attends to sentence r."""
        return cls(
            keys.contiguous(),
            values.contiguous(),
            lengths.long().clamp(0, keys.shape[1]),
            torch.arange(len(keys), device=keys.device) if sentence is None else sentence.contiguous(),
        )

    def fields(self) -> dict[str, Any]:
        """Those of a step."""
        sizes = {"source": self.keys.shape[1], "size": self.keys.shape[2], "features": self.values.shape[2]}
        return sizes | {name: pointer(tensor) for name, tensor in self._asdict().items()}


class _Place(NamedTuple):
    """Where a buffer's rows are: in the state given, the state made or scratch memory; from a column on."""

    home: str
    begin: int
    width: int
    column: int = 0


class Program:
    """Instructions for a step, over rows of float32 states of the given widths.

    Buffers are numbers: :meth:`given` and :meth:`made` are the state before and after, :meth:`scratch` room
    of its own, :meth:`part` some columns of another. The last instruction must be :meth:`top`.

    Args:
        reset_at: the token before which the state is zero.
    """

    def __init__(self, state: Sequence[int], reset_at: int | None = None) -> None:
        self.state = list(state)
        self.reset_at = -1 if reset_at is None else reset_at
        self.places = [_Place(home, i, width) for home in ("given", "made") for i, width in enumerate(state)]
        self.width = 0
        self.instructions: list[Any] = []
        self.kept: list[Tensor | None] = []
        self._weights: dict[int, Tensor] = {}  # of products, by instruction
        self._lock = threading.Lock()
        self.vocabulary = self.words = 0

    def given(self, entry: int) -> int:
        return range(len(self.state))[entry]

    def made(self, entry: int) -> int:
        return len(self.state) + range(len(self.state))[entry]

    def scratch(self, width: int) -> int:
        self.places.append(_Place("scratch", self.width, width))
        self.width += -(-width // 16) * 16
        return len(self.places) - 1

    def part(self, buffer: int, column: int) -> int:
        self.places.append(self.places[buffer]._replace(column=column))
        return len(self.places) - 1

    def _add(self, kind: str, **fields: Any) -> None:
        tensors = {name: value for name, value in fields.items() if isinstance(value, Tensor)}
        self.kept += tensors.values()
        numbers = {name: value for name, value in fields.items() if name not in tensors and value is not None}
        pointers = {name: pointer(value) for name, value in tensors.items()}
        self.instructions.append(_Instruction(kind=_KINDS.index(kind), **numbers, **pointers))

    def embed(self, table: Tensor, padding: int | None, out: int) -> None:
        """A token's row of ``table``; zeros for ``padding``."""
        table = table.detach().contiguous()
        self.words = len(table)
        variant = -1 if padding is None else padding
        self._add(
            "embed", weight=table, stride=table.stride(0), depth=table.shape[1], variant=variant, out=out
        )

    def product(
        self,
        a: int,
        matrix: Matrix,
        out: int,
        *,
        bias: Tensor | None = None,
        accumulate: bool = False,
        nonlinearity: str = "none",
    ) -> None:
        """``out = f(a Wᵀ + bias (+ out))``."""
        self._multiply(
            "product",
            matrix,
            bias,
            a=a,
            out=out,
            accumulate=accumulate,
            nonlinearity=_NONLINEARITIES.index(nonlinearity),
        )

    def gru_open(self, z: int, state: int, out: int) -> None:
        """σ of ``z``'s update gate; ``out = σ(reset) ∗ state``."""
        self._add("gru_open", a=z, b=state, out=out, columns=self.places[out].width)

    def gru_close(self, z: int, state: int, out: int, reset: str, inner: int = 0) -> None:
        """The new state; ``inner`` is the candidate's recurrent product where ``reset`` comes after it."""
        variant = ("before", "after", "none").index(reset)
        self._add(
            "gru_close", a=z, b=state, c=inner, out=out, variant=variant, columns=self.places[out].width
        )

    def lstm(self, z: int, cell: int, out: int, cell_out: int, form: str, peephole: Tensor | None) -> None:
        """``form``: the peepholes' and the output's, as ``"none tanh"``."""
        peepholes, output = form.split()
        variant = ("none", "current", "previous").index(peepholes) + 3 * (output == "identity")
        weight = None if peephole is None else peephole.detach().contiguous()
        columns = self.places[out].width
        self._add(
            "lstm", a=z, b=cell, out=out, more=cell_out, variant=variant, columns=columns, weight=weight
        )

    def attend(self, query: int, out: int, energy_weight: Tensor | None) -> None:
        """The context: additive with ``energy_weight``, the query multiplied, else ``query · key``."""
        weight = None if energy_weight is None else energy_weight.detach().contiguous()
        self._add("attend", a=query, out=out, weight=weight)

    def top(self, a: int, matrix: Matrix, bias: Tensor | None) -> None:
        """The likeliest of ``softmax(a Wᵀ + bias)``."""
        self.vocabulary = len(matrix.weight)
        self._multiply("top", matrix, bias, a=a)

    def _multiply(self, kind: str, matrix: Matrix, bias: Tensor | None, **fields: Any) -> None:
        weight = self._weights[len(self.instructions)] = matrix.weight
        self._add(
            kind,
            columns=weight.shape[0],
            depth=weight.shape[1],
            format=FORMATS.index(weight.dtype),
            scale=matrix.scale,
            bias=None if bias is None else bias.detach().contiguous(),
            **fields,
        )

    @cached_property
    def _array(self) -> Any:
        """The instructions in a row, their matrices laid out: not before a step is made, for many a search
        goes by other steps (an ensemble's) and would pay for it at every start."""
        with self._lock:  # searches share a program, and threads may search
            laid_out = panels(list(self._weights.values()))
            for place, matrix in zip(self._weights, laid_out, strict=True):
                self.instructions[place].weight = matrix.data_ptr()
            self.kept += laid_out
            self._weights.clear()
        return (_Instruction * len(self.instructions))(*self.instructions)

    def run(
        self,
        state: Sequence[Tensor],
        tokens: Tensor,
        k: int,
        source: Source | None = None,
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """The state after ``tokens (rows,)``, and the ``k`` likeliest next ones: log-probabilities, ids
        ``(rows, k)``. ``source`` is what they attend to.

        Raises:
            ValueError: k below 1, or rows that are not as many everywhere.
        """
        if k < 1:
            raise ValueError(f"k = {k}: 1 or more")
        rows, k = len(tokens), min(k, self.vocabulary)
        resets = self.reset_at >= 0  # the kernel does so in the state that it is given
        given = [part.contiguous() for part in state]
        given = [part.clone() for part in given] if resets else given
        made = tuple(torch.empty_like(part) for part in given)
        log_probs, ids = given[0].new_empty(rows, k), tokens.new_empty(rows, k, dtype=torch.int64)
        self._launch(given, made, tokens, log_probs, ids, source, k=k, state=len(given), reset=self.reset_at)
        return made, log_probs, ids

    def draw(
        self,
        state: Sequence[Tensor],
        tokens: Tensor,
        uniform: Tensor,
        source: Source | None = None,
        *,
        temperature: float,
        top_k: int,
        top_p: float,
        forbidden: Tensor,
        end: int | None,
        spared: int,
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Feed ``tokens (rows,)``, draw a word each by ``uniform (steps, rows)``, feed those, and so on: till
        every row has drawn ``end``, or one can draw nothing.

        Args:
            forbidden: ids that are never drawn.
            end: is not drawn in the first ``spared`` steps.

        Returns:
            The state before the last words drawn are fed; log-probabilities and ids, ``(made, rows)``: −∞ and
            −1 where nothing had a probability, no number and −1 where the model's are none.

        Raises:
            ValueError: rows that are not as many everywhere.
            IndexError: an id that the vocabulary does not have.
        """
        if uniform.shape[1:] != tokens.shape:
            raise ValueError(
                f"uniform numbers {tuple(uniform.shape)} for {len(tokens)} tokens: one a row and step"
            )
        given = [part.clone(memory_format=torch.contiguous_format) for part in state]
        uniform, forbidden = uniform.double().contiguous(), forbidden.long().contiguous()
        _check("forbidden ids", forbidden, self.vocabulary)
        if end is not None:
            _check("the id that ends", torch.tensor([end], device="cpu"), self.vocabulary)
        ids = torch.full(uniform.shape, -1, device="cpu")
        log_probs = given[0].new_zeros(uniform.shape)
        if not len(uniform):
            return tuple(given), log_probs, ids
        # Taking the likeliest, those that stand in order are enough: one of them must be permitted.
        enough = min(len(forbidden) + 2, self.vocabulary)
        made = ctypes.c_int64(0)
        self._launch(
            given,
            [torch.empty_like(part) for part in given],
            tokens,
            log_probs,
            ids,
            source,
            k=enough if temperature == 0 and enough <= MOST else 0,
            steps=len(uniform),
            steps_made=ctypes.addressof(made),
            end=-1 if end is None else end,
            state=len(given),
            reset=self.reset_at,
            uniform=uniform.data_ptr(),
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            forbidden=forbidden.data_ptr(),
            forbidden_count=forbidden.numel(),
            spared=-1 if end is None else end,
            spared_steps=0 if end is None else spared,
        )
        return tuple(given), log_probs[: made.value], ids[: made.value]

    def _launch(
        self,
        given: Sequence[Tensor],
        made: Sequence[Tensor],
        tokens: Tensor,
        log_probs: Tensor,
        ids: Tensor,
        source: Source | None,
        **how: Any,
    ) -> None:
        rows = len(tokens)
        wanted = [(rows, width) for width in self.state]  # the kernel looks nowhere else
        if [part.shape for part in given] != wanted or (source is not None and len(source.sentence) != rows):
            shapes = ", ".join(str(tuple(part.shape)) for part in given)
            raise ValueError(f"a state {shapes} does not fit {rows} tokens: it must be {wanted}, a row each")
        attended = {} if source is None else source.fields()
        room = given[0].new_empty(rows * self.width)
        homes = {
            "given": [part.data_ptr() for part in given],
            "made": [part.data_ptr() for part in made],
        }
        addresses, strides = [], []
        for home, begin, width, column in self.places:
            start = room.data_ptr() + 4 * rows * begin if home == "scratch" else homes[home][begin]
            addresses.append(start + 4 * column)
            strides.append(width)
        tokens = tokens.long().contiguous()
        _check("tokens", tokens, self.words)
        _kernel()(
            _Step(
                threads=torch.get_num_threads(),
                rows=rows,
                count=len(self.instructions),
                instructions=ctypes.addressof(self._array),
                buffers=ctypes.addressof(buffers := (ctypes.c_void_p * len(addresses))(*addresses)),
                strides=ctypes.addressof(widths := (ctypes.c_int64 * len(strides))(*strides)),
                tokens=tokens.data_ptr(),
                log_probs=log_probs.data_ptr(),
                ids=ids.data_ptr(),
                **attended,
                **how,
            )
        )
        del buffers, widths


def _check(what: str, ids: Tensor, count: int) -> None:
    """The kernel looks nowhere else, and does not look whether it may."""
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < count:
        raise IndexError(f"{what} must lie in 0 to {count - 1}")


@cache
def _kernel() -> Any:
    return function("unrolled_step", ctypes.POINTER(_Step))
