"""Weight gradients of a loop as one large product after it.

Autograd gives each product of each time step a weight gradient of its own: a product of few rows, and a pass
over the whole matrix to add it up. Here a step only hands on the gradient of its result; once all steps have,
the weight's gradient is one product, ``steps·batch`` rows long. The sum is the same.

:func:`defer` gives a cell whose parameters are :class:`_Invariant`: tensors that notice when they are the
matrix of a product. Any other use of a parameter is autograd's, as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function, forward_ad

from unrolled.kernels import product
from unrolled.nn import native
from unrolled.nn.substitute import substitute, take_back

M = TypeVar("M", bound=nn.Module)

SMALL = 1 << 15
"""A matrix of fewer numbers is left to autograd: adding up its gradient costs less than putting it off."""


def defer(cell: M, steps: int) -> M:
    """``cell``, the gradients of its weights deferred, for one loop of ``steps``; itself where none can be.

    Exact, double backward included (there each step's weight gradient is taken by itself, as autograd does).
    """
    if (
        steps < 2
        or not torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or isinstance(cell, torch.jit.ScriptModule)
    ):
        return cell
    return substitute(cell, lambda name, parameter: _wrap(parameter, steps))


def end(cell: nn.Module, deferred: nn.Module) -> None:
    """After a loop: what a step has set on its cell is the cell's, as if nothing had been deferred."""
    if deferred is not cell:
        take_back(cell, deferred, lambda value: value.plain if type(value) is _Invariant else value)


class _Invariant(Tensor):
    """A parameter, or a view of one: the same at every step of the loop."""

    plain: Tensor
    steps: int
    views: dict[Any, Any]
    places: dict[Any, _Places]
    packed: _Packed

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        answer = None
        if func in _PRODUCTS:
            answer = _PRODUCTS[func](*args, **kwargs)
        elif func in _VIEWS:
            answer = _view(func, args, kwargs)
        if answer is not None:
            return answer
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)


def _wrap(plain: Tensor, steps: int) -> Tensor:
    if type(plain) not in (nn.Parameter, Tensor) or not plain.requires_grad:
        return plain
    if plain.ndim < 2 or plain.numel() < SMALL:
        return plain
    wrapped = plain.as_subclass(_Invariant)
    wrapped.plain, wrapped.steps, wrapped.views, wrapped.places = plain, steps, {}, {}
    wrapped.packed = _Packed(plain)
    return wrapped


def _view(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A view of an invariant is one too, and made once; None where an argument is a tensor."""
    source, *rest = args
    if type(source) is not _Invariant or not _static([*rest, *kwargs.values()]):
        return None
    key = (func, str(rest), str(kwargs))  # as text, because slices cannot be hashed
    if key not in source.views:
        result = func(source.plain, *rest, **kwargs)
        source.views[key] = (
            _wrap(result, source.steps)
            if isinstance(result, Tensor)
            else tuple(_wrap(part, source.steps) for part in result)
        )
    return source.views[key]


def _static(arguments: Any) -> bool:
    return all(
        _static(a)
        if type(a) in (tuple, list, torch.Size)
        else a is None or a is ... or type(a) in (int, slice, str)
        for a in arguments
    )


def _linear(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    """``input weightᵀ + bias``, its weight gradient deferred; None where that cannot be."""
    if type(input) is not Tensor or type(weight) is not _Invariant or weight.plain.ndim != 2:
        return None
    if input.ndim < 2 or not torch.is_grad_enabled() or type(bias) not in (type(None), nn.Parameter):
        return None
    rows, columns = weight.plain.shape
    if input.shape[-1] != columns or (bias is not None and bias.shape != (rows,)):
        return None  # repeated for the rows, or PyTorch's to refuse: the kernel would read beyond it
    if torch.is_autocast_enabled(input.device.type) and input.dtype is not torch.float64:
        kind = torch.get_autocast_dtype(input.device.type)
        input, weight = input.to(kind), _cast(weight, kind)
    matrix = weight.plain
    shape = (*input.shape[:-1], matrix.shape[0])
    key = (id(bias), shape)
    places = weight.places.get(key)
    if not places or not places.free:
        places = weight.places[key] = _Places(matrix, bias, weight.steps, shape)
    packed = weight.packed if native.applies(input, matrix) else None
    return _Linear.apply(input, places.take(input), matrix, bias, packed)


def _cast(tensor: _Invariant, kind: torch.dtype) -> Any:
    if kind not in tensor.views:
        tensor.views[kind] = _wrap(tensor.plain.to(kind), tensor.steps)
    return tensor.views[kind]


class _Packed:
    """A matrix as the native products of many steps take it, each way packed once."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix.detach()

    def times(self, input: Tensor, bias: Tensor | None) -> Tensor:
        """``input matrixᵀ + bias``."""
        return _product(input, self._transposed, bias)

    def times_transposed(self, grad: Tensor) -> Tensor:
        """``grad matrix``."""
        return _product(grad, self._straight)

    @cached_property
    def _transposed(self) -> product.Packed:
        return product.Packed(self.matrix.t())

    @cached_property
    def _straight(self) -> product.Packed:
        return product.Packed(self.matrix)


def _product(left: Tensor, right: Tensor | product.Packed, bias: Tensor | None = None) -> Tensor:
    out = left.new_empty(*left.shape[:-1], right.shape[1])
    product.product(left.flatten(0, -2), right, bias=bias, out=out.flatten(0, -2))
    return out


class _Places:
    """For each step a place for its product's gradient: a tensor of its shape that holds nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None, steps: int, shape: tuple[int, ...]) -> None:
        self.inputs: list[Tensor] = []
        self.free = list(_Gather.apply(weight, bias, self.inputs, steps, shape))[::-1]

    def take(self, input: Tensor) -> Tensor:
        self.inputs.append(input.detach())  # without its history, which leads back here
        return self.free.pop()


class _Gather(Function):
    """The places; and, once every :class:`_Linear` that has one went backward, the matrix's gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor | None,
        inputs: list[Tensor],
        steps: int,
        shape: tuple[int, ...],
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.inputs = inputs
        ctx.kind = None if bias is None else bias.dtype
        nothing = weight.new_zeros(())
        return tuple(nothing.expand(shape) for _ in range(steps))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        taken = {i: grad for i, grad in enumerate(grads) if grad is not None}
        if not taken:
            return (None,) * 5
        gradient = torch.stack(list(taken.values())).flatten(0, -2)
        weight = None
        if ctx.needs_input_grad[0]:
            inputs = torch.stack([ctx.inputs[i] for i in taken]).flatten(0, -2)
            ours = native.applies(gradient, inputs)
            weight = _product(gradient.t(), inputs) if ours else gradient.t() @ inputs
        bias = gradient.sum(0).to(ctx.kind) if ctx.needs_input_grad[1] else None
        return weight, bias, None, None, None


class _Linear(Function):
    """A product whose gradient goes to its place, instead of to the matrix."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, place: Tensor, weight: Tensor, bias: Tensor | None, packed: _Packed | None
    ) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.kind = None if bias is None else bias.dtype
        ctx.packed = packed
        bias = None if bias is None else bias.to(weight.dtype)
        return F.linear(input, weight, bias) if packed is None else packed.times(input, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        if not torch.is_grad_enabled():
            into_input = None
            if ctx.needs_input_grad[0]:
                into_input = grad @ weight if ctx.packed is None else ctx.packed.times_transposed(grad)
            return into_input, grad, None, None, None
        into_input = grad @ weight if ctx.needs_input_grad[0] else None
        rows = grad.flatten(0, -2)  # this gradient will be differentiated: each step's by itself
        into_weight = rows.t() @ input.flatten(0, -2) if ctx.needs_input_grad[2] else None
        into_bias = rows.sum(0).to(ctx.kind) if ctx.needs_input_grad[3] else None
        return into_input, None, into_weight, into_bias, None


def _mm(input: Any, other: Any = None, **rest: Any) -> Tensor | None:
    """None for what only ``matmul`` takes."""
    return _matmul(input, other, **rest) if isinstance(input, Tensor) and input.ndim == 2 else None


def _matmul(input: Any, other: Any = None, **rest: Any) -> Tensor | None:
    if rest or type(other) is not _Invariant or other.plain.ndim != 2:
        return None
    return _linear(input, _view(Tensor.t, (other,), {}))


def _addmm(bias: Any, input: Any, matrix: Any = None, **rest: Any) -> Tensor | None:
    """None for the forms with ``beta`` and ``alpha``, which are keywords."""
    if rest or type(matrix) is not _Invariant or matrix.plain.ndim != 2 or input.ndim != 2:
        return None
    return _linear(input, _view(Tensor.t, (matrix,), {}), bias)


_PRODUCTS: dict[Any, Callable[..., Tensor | None]] = {
    F.linear: _linear,
    torch.matmul: _matmul,
    Tensor.matmul: _matmul,
    torch.mm: _mm,
    Tensor.mm: _mm,
    torch.addmm: _addmm,
}
_VIEWS: set[Any] = {
    Tensor.__getitem__,
    Tensor.T.__get__,  # type: ignore[attr-defined]
    Tensor.mT.__get__,  # type: ignore[attr-defined]
    *(
        getattr(Tensor, name)
        for name in ("t", "transpose", "chunk", "split", "unbind", "view", "unflatten", "unsqueeze")
    ),
    *(getattr(torch, name) for name in ("t", "transpose", "chunk", "split", "unbind", "unsqueeze")),
}
