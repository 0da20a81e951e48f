"""PyTorch's functions that a traced step may use, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.program import Kind
from unrolled.nn.traced.operations import Untraceable, Value
from unrolled.nn.traced.recorder import Recorder, name_of

aten = torch.ops.aten


def _cut(recorder: Recorder, a: Tensor, sizes: Sequence[int], dim: int) -> list[Value]:
    value = recorder.value(a, a.shape[-1])
    if dim not in (1, -1):
        raise Untraceable("rows apart")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [value.cut(start, size) for start, size in zip(starts, sizes, strict=True)]


def _split(recorder: Recorder, a: Tensor, size: int, dim: int = 0) -> list[Value]:
    width = a.shape[-1]
    return _cut(recorder, a, [min(size, width - start) for start in range(0, width, size)], dim)


def _slice(
    recorder: Recorder, a: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Value:
    begin, stop, by = slice(start, end, step).indices(a.shape[dim])
    if dim == 0 and (begin, stop, by) == (0, a.shape[0], 1):
        return recorder.value(a, a.shape[-1])
    if dim not in (1, -1) or by != 1 or stop <= begin:
        raise Untraceable("rows apart")
    return recorder.value(a, a.shape[-1]).cut(begin, stop - begin)


def _cat(recorder: Recorder, tensors: Sequence[Tensor], dim: int = 0) -> Value:
    if dim not in (1, -1):
        raise Untraceable("more rows")
    parts = tuple(
        recorder.values.get(name_of(t)) or recorder.value(t, t.shape[-1]) for t in tensors if t.shape[-1]
    )
    flat = tuple(leaf for part in parts for leaf in (part.parts or (part,)))
    return Value(sum(part.width for part in flat), parts=flat, placed=False)


def _layer_norm(
    recorder: Recorder, a: Tensor, shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> list[Value]:
    if list(shape) != [a.shape[-1]]:
        raise Untraceable("a norm over rows")
    made = recorder.one(Kind.NORMALIZE, a, term=eps)
    for kind, tensor in ((Kind.MULTIPLY, weight), (Kind.ADD_SCALED, bias)):
        if tensor is not None:
            made = recorder.add(kind, made, recorder.value(tensor, made.width))
    return [made]


def _lerp(recorder: Recorder, a: Tensor, b: Tensor, weight: Any) -> Value:
    difference = recorder.two(Kind.ADD_SCALED, b, a, factor=-1)
    start = recorder.value(a, difference.width)
    if not isinstance(weight, Tensor):
        return recorder.add(Kind.ADD_SCALED, start, difference, factor=weight)
    step = recorder.add(Kind.MULTIPLY, difference, recorder.value(weight, difference.width))
    return recorder.add(Kind.ADD_SCALED, start, step)


def _addcmul(recorder: Recorder, a: Tensor, b: Tensor, c: Tensor, value: float = 1) -> Value:
    made = recorder.two(Kind.MULTIPLY, b, c)
    return recorder.add(Kind.ADD_SCALED, recorder.value(a, made.width), made, factor=value)


def _addmm(
    recorder: Recorder, bias: Tensor, a: Tensor, matrix: Tensor, beta: float = 1, alpha: float = 1
) -> Value:
    if (beta, alpha) != (1, 1):
        raise Untraceable("a scaled product")
    return recorder.product(a, matrix, bias)


def _power(recorder: Recorder, a: Tensor, exponent: float) -> Value:
    if exponent != 2:
        raise Untraceable("a power")
    return recorder.two(Kind.MULTIPLY, a, a)


def _silu(recorder: Recorder, a: Tensor) -> Value:
    return recorder.add(Kind.MULTIPLY, recorder.value(a, a.shape[-1]), recorder.one(Kind.SIGMOID, a))


def _softmax(recorder: Recorder, a: Tensor, dim: int, half_to_float: bool) -> Value:
    if dim not in (1, -1):
        raise Untraceable("a softmax over rows")
    return recorder.one(Kind.SOFTMAX, a)


def _multiply(recorder: Recorder, a: Any, b: Any) -> Value:
    if not isinstance(b, Tensor):
        return recorder.one(Kind.AFFINE, a, factor=b)
    return recorder.two(Kind.MULTIPLY, a, b)


def _divide(recorder: Recorder, a: Any, b: Any) -> Value:
    if not isinstance(b, Tensor):
        return recorder.one(Kind.AFFINE, a, factor=1 / b if b else math.inf)
    return recorder.two(Kind.DIVIDE, a, b)


def _subtract_from(recorder: Recorder, a: Tensor, b: Any, alpha: float = 1) -> Value:
    if not isinstance(b, Tensor):
        return recorder.one(Kind.AFFINE, a, factor=-alpha, term=b)
    return recorder.two(Kind.ADD_SCALED, b, a, factor=-alpha)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    aten.mm.default: Recorder.product,
    aten.addmm.default: _addmm,
    aten.add.Tensor: Recorder.scaled_sum,
    aten.sub.Tensor: lambda recorder, a, b, alpha=1: recorder.scaled_sum(a, b, -alpha),
    aten.rsub.Scalar: _subtract_from,
    aten.rsub.Tensor: _subtract_from,
    aten.mul.Tensor: _multiply,
    aten.div.Tensor: _divide,
    aten.maximum.default: lambda recorder, a, b: recorder.two(Kind.GREATER, a, b),
    aten.minimum.default: lambda recorder, a, b: recorder.two(Kind.LESSER, a, b),
    aten.lerp.Tensor: _lerp,
    aten.lerp.Scalar: _lerp,
    aten.addcmul.default: _addcmul,
    aten.pow.Tensor_Scalar: _power,
    aten.neg.default: lambda recorder, a: recorder.one(Kind.AFFINE, a, factor=-1),
    aten.sigmoid.default: lambda recorder, a: recorder.one(Kind.SIGMOID, a),
    aten.tanh.default: lambda recorder, a: recorder.one(Kind.TANH, a),
    aten.relu.default: lambda recorder, a: recorder.one(Kind.RELU, a),
    aten.exp.default: lambda recorder, a: recorder.one(Kind.EXP, a),
    aten.abs.default: lambda recorder, a: recorder.one(Kind.ABSOLUTE, a),
    aten.reciprocal.default: lambda recorder, a: recorder.one(Kind.RECIPROCAL, a),
    aten.silu.default: _silu,
    aten.native_layer_norm.default: _layer_norm,
    aten._softmax.default: _softmax,
    aten.cat.default: _cat,
    aten.split.Tensor: _split,
    aten.split_with_sizes.default: lambda recorder, a, sizes, dim=0: _cut(recorder, a, sizes, dim),
    aten.slice.Tensor: _slice,
    aten.alias.default: lambda recorder, a: recorder.values[name_of(a)],
    aten.clone.default: lambda recorder, a, memory_format=None: recorder.values[name_of(a)],
}
