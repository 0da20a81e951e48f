"""What a cell's ``step`` computes, as a list of operations: found by watching one step being made.

Only what can be followed exactly becomes a :class:`Trace`: products with matrices that are the same at every
step, element-wise functions, joining and cutting along the features, normalisation and softmax over them.
Anything else (a number read from a tensor, chance, a change in place, a step that changes its cell) is
:class:`Untraceable`, and the cell is run as it is written. A global or a closure is not watched: it counts as
constant through time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

from unrolled.nn.cells import Cell, State
from unrolled.nn.traced.apart import apart
from unrolled.nn.traced.functions import FUNCTIONS
from unrolled.nn.traced.operations import Trace, Untraceable
from unrolled.nn.traced.recorder import Recorder, name_of

aten = torch.ops.aten


def trace(
    cell: Cell,
    projected: Sequence[Tensor],
    wrap: Callable[[Sequence[Tensor]], Any],
    state: State,
    memory: Any,
) -> Trace:
    """One step of a cell. ``projected`` are the parts of what the step gets, ``wrap`` makes it of them.

    Raises:
        Untraceable: it is no list of operations.
    """
    # Without a graph of autograd's own, so that whatever detaches is the cell itself.
    recorder = Recorder(state[0])
    watched, changed = apart(cell, recorder.plain)
    given = [part.detach().clone() for part in (*projected, *state)]
    parts = [recorder.start(tensor, "projected", i) for i, tensor in enumerate(given[: len(projected)])]
    states = [recorder.start(tensor, "state", i) for i, tensor in enumerate(given[len(projected) :])]
    constant = tree_map_only(Tensor, recorder.plain, memory)
    with _Closed(), _Watch(recorder):
        after = watched.step(wrap(given[: len(parts)]), tuple(given[len(parts) :]), constant)
        if type(after) is not tuple or len(after) != len(state):
            raise Untraceable("a state of another form")
        output = watched.output(after)
    if changed():
        raise Untraceable("a step that changes its cell")
    return recorder.finish(parts, states, after, output)


_CONSTANT = {
    getattr(aten, name)
    for name in (
        "zeros",
        "ones",
        "full",
        "zeros_like",
        "ones_like",
        "full_like",
        "new_zeros",
        "new_ones",
        "new_full",
    )
} | {aten.scalar_tensor, aten.lift_fresh, aten.arange}


class _Closed(TorchFunctionMode):
    """Refuses what asks of a tensor how autograd knows it, for within the trace there is no graph; and what
    takes its numbers out without a function that :class:`_Watch` would see."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _ASKS:
            raise Untraceable("a look at the graph of gradients")
        if func in _READS:
            raise Untraceable("numbers that are read")
        return func(*args, **(kwargs or {}))


_ASKS = {
    *(getattr(Tensor, name).__get__ for name in ("requires_grad", "grad_fn", "is_leaf", "grad", "data")),
    Tensor.register_hook,
    Tensor.retain_grad,
}
_READS = {
    getattr(Tensor, name)
    for name in ("tolist", "numpy", "__array__", "__dlpack__", "storage", "untyped_storage")
}


class _Watch(TorchDispatchMode):
    """Tells a recorder of every function that is called within."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.gradient = torch.is_grad_enabled()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, recorder = kwargs or {}, self.recorder
        if torch.is_grad_enabled() != self.gradient:
            raise Untraceable("a gradient of its own")
        if func._schema.is_mutable or torch.Tag.nondeterministic_seeded in func.tags:
            raise Untraceable(str(func))
        if func not in FUNCTIONS:
            with self:  # in inference mode linear and the like come whole; elsewhere autograd took them apart
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        given = [each for each in tree_iter((args, kwargs)) if isinstance(each, Tensor)]
        if func.overloadpacket in _CONSTANT:
            recorder.invariant(result)
        elif any(name_of(tensor) in recorder.values for tensor in given):
            function = FUNCTIONS.get(func)
            if function is None:
                raise Untraceable(str(func))
            recorder.bind(result, function(recorder, *args, **kwargs))
        elif given:
            recorder.derive(func, args, kwargs, result)
        else:
            raise Untraceable(str(func))
        return result
