"""A traced step by plain PyTorch: the reference of its native run, and the way to a gradient's gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.program import Kind
from unrolled.nn.cells import State
from unrolled.nn.graph import apart, gradient_graph
from unrolled.nn.traced.layout import Layout
from unrolled.nn.traced.operations import Operation, Trace, Value


def again(
    layout: Layout,
    lengths: Tensor | None,
    tensors: Sequence[Tensor],
    needed: Sequence[bool],
    grads: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """The gradient as a graph of its own, for a gradient of the gradient: the trace, run by plain PyTorch."""
    tensors = apart(tensors)
    results = replay(layout.found, lengths, layout.reverse, tensors)
    wanted: dict[str, Tensor | None] = {
        str(i): tensor for i, (tensor, need) in enumerate(zip(tensors, needed, strict=True)) if need
    }
    made = gradient_graph(results, grads, wanted)
    return [made.get(str(i)) for i in range(len(needed))]


def replay(found: Trace, lengths: Tensor | None, reverse: bool, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The output and the final state of a trace by plain PyTorch: the reference of the native run."""
    parts, state, invariants = found.apart(tensors)
    time = len(parts[0])
    now, outputs = tuple(state), [torch.empty(0)] * time
    for t in reversed(range(time)) if reverse else range(time):
        values: dict[int, Any] = {}

        def read(value: Value, values: dict[int, Any] = values, t: int = t, state: State = now) -> Tensor:
            root = value.root
            at: dict[str, Callable[[], Tensor]] = {
                "projected": lambda: parts[root.number][t],
                "state": lambda: state[root.number],
                "constant": lambda: invariants[root.number],
            }
            whole = at[root.origin]() if root.origin in at else values[id(root)]
            if isinstance(whole, dict):  # joined of parts
                whole = torch.cat([whole[column] for column in sorted(whole)], -1)
            return whole[..., value.column : value.column + value.width]

        for o in (*found.hoisted, *found.operations):
            assert o.out is not None
            made = _torch(o, read, invariants)
            if o.accumulate:
                made = made + values[id(o.out.root)]
            if o.out.whole is None:
                values[id(o.out)] = made
            else:
                values.setdefault(id(o.out.root), {})[o.out.column] = made
        alive = None if lengths is None else (t < lengths)[:, None]
        new = tuple(values[id(value)] for value in found.next)
        output = values[id(found.output)]
        now = new if alive is None else tuple(torch.where(alive, n, o) for n, o in zip(new, now, strict=True))
        outputs[t] = output if alive is None else output.where(alive, 0)
    return [torch.stack(outputs), *now]


def _torch(o: Operation, read: Callable[[Value], Tensor], invariants: dict[int, Tensor]) -> Tensor:
    a = read(o.a)
    b = read(o.b) if o.b is not None else a
    if o.kind is Kind.MULTIPLY_MATRIX:
        made = a @ invariants[o.matrix][o.row : o.row + o.a.width]
        return made if o.bias < 0 else made + invariants[o.bias]
    return _TORCH[o.kind](a, b, o)


_TORCH: dict[Kind, Callable[[Tensor, Tensor, Operation], Tensor]] = {
    Kind.AFFINE: lambda a, b, o: a * o.factor + o.term,
    Kind.SIGMOID: lambda a, b, o: a.sigmoid(),
    Kind.TANH: lambda a, b, o: a.tanh(),
    Kind.RELU: lambda a, b, o: a.relu(),
    Kind.EXP: lambda a, b, o: a.exp(),
    Kind.ABSOLUTE: lambda a, b, o: a.abs(),
    Kind.RECIPROCAL: lambda a, b, o: a.reciprocal(),
    Kind.ADD_SCALED: lambda a, b, o: a + o.factor * b,
    Kind.MULTIPLY: lambda a, b, o: a * b,
    Kind.DIVIDE: lambda a, b, o: a / b,
    Kind.GREATER: lambda a, b, o: torch.maximum(a, b),
    Kind.LESSER: lambda a, b, o: torch.minimum(a, b),
    Kind.NORMALIZE: lambda a, b, o: torch.layer_norm(a, (a.shape[-1],), eps=o.term),
    Kind.SOFTMAX: lambda a, b, o: a.softmax(-1),
}
