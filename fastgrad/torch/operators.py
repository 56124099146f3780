"""``torch.ops.fastgrad``: the activations as operators that PyTorch's dispatcher knows, for whatever is not ordinary.

Graphs (torch.compile, torch.export, make_fx), tracers, modes, the transforms of torch.func and forward-mode AD see
``activation(z, number, parameter)`` and, in the backward pass, ``activation_derivative(z, number, parameter)``. The
numbers are those of ``fastgrad.ffi.ACTIVATION_NUMBERS``; the parameter is 0 where there is none.
"""

# Design: - torch.library.custom_op would be shorter, but its operators have no forward mode (the tangent is silently 0)
#           and refuse torch.func.grad. So the node is registered here, for the key Autograd.
#         - The derivative has a node too, which raises: a second derivative would otherwise silently be 0.

import torch

from fastgrad.activations import ACTIVATIONS, check_parameter
from fastgrad.ffi import table
from fastgrad.formulas import PARAMETERS
from fastgrad.torch.internals import (
    below_autograd,
    inside_a_transform,
    register_fake,
    register_vmap,
    set_forward_mode_enabled,
)
from fastgrad.torch.tensors import DIRECT, check

ONCE = "fastgrad.torch is differentiable once: for a second derivative use torch's own"


def result_and_source(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """An empty tensor laid out as z is, and z in that layout: itself, or copied into the result."""
    y = torch.empty_like(z)
    return y, z if z.stride() == y.stride() else y.copy_(z)


def value(z: torch.Tensor, number: int, parameter: float) -> torch.Tensor:
    """phi(z) of an ordinary tensor, outside autograd."""
    if z.dtype not in DIRECT:
        return value(z.float(), number, parameter).to(z.dtype)
    y, z = result_and_source(z)
    _VALUE(number, z.element_size(), z.numel(), z.data_ptr(), parameter, y.data_ptr())
    return y


def derivative(z: torch.Tensor, number: int, parameter: float) -> torch.Tensor:
    """phi'(z) of an ordinary tensor, outside autograd; in float32 for the shorter types."""
    d, z = result_and_source(z if z.dtype in DIRECT else z.float())
    _DERIVATIVE(number, z.element_size(), z.numel(), z.data_ptr(), parameter, d.data_ptr())
    return d


_VALUE, _DERIVATIVE = table().value, table().derivative


class _Value(torch.autograd.Function):
    """The node of ``activation``, which keeps z."""

    @staticmethod
    def forward(z, number, parameter, operator, grad):
        # a node computes with both modes off, but a transform around this one may need them
        with torch.set_grad_enabled(grad), set_forward_mode_enabled(True), below_autograd():
            return operator(z, number, parameter)

    @staticmethod
    def setup_context(ctx, inputs, output):
        z, *ctx.choice = inputs[:3]
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx, dy):
        dz = dy * _slope(*ctx.saved_tensors, *ctx.choice)
        return dz.to(dy.dtype), None, None, None, None

    @staticmethod
    def jvp(ctx, dz, *_):
        dy = dz * _slope(*ctx.saved_tensors, *ctx.choice)
        return dy.to(dz.dtype)


class _Derivative(_Value):
    """The node of ``activation_derivative``."""

    @staticmethod
    def backward(ctx, dy):
        raise RuntimeError(ONCE)

    @staticmethod
    def jvp(ctx, *_):
        raise RuntimeError(ONCE)


def _check_choice(number, parameter):
    """ValueError unless there is an activation of that number, and it takes that parameter."""
    if not 0 <= number < len(ACTIVATIONS):
        known = ", ".join(f"{number} {name}" for number, name in enumerate(ACTIVATIONS))
        raise ValueError(f"there is no activation number {number}; known: {known}")
    if found := PARAMETERS.get(ACTIVATIONS[number]):
        check_parameter(found[0], parameter)


def _register(name, compute, node, dtype_of):
    """Register ``torch.ops.fastgrad.<name>``, by what it computes, its node, and the type of its result."""
    full = f"fastgrad::{name}"
    signature = "(Tensor z, int number, float parameter) -> Tensor"
    torch.library.define(full, signature, tags=torch.Tag.pt2_compliant_tag)
    operator = getattr(torch.ops.fastgrad, name).default
    apply = super(torch.autograd.Function, node).apply  # node.apply itself refuses below a transform

    @torch.library.impl(full, "CompositeExplicitAutograd")
    def on_memory(z, number, parameter):
        check(z)
        _check_choice(number, parameter)
        return compute(z, number, parameter)

    @register_fake(full)
    def on_shapes(z, number, parameter):
        _check_choice(number, parameter)
        return torch.empty_like(z, dtype=dtype_of(z))

    @torch.library.impl(full, "Autograd")
    def in_a_graph(z, number, parameter):
        with inside_a_transform():
            return apply(z, number, parameter, operator, torch.is_grad_enabled())

    @register_vmap(full)
    def on_batches(info, in_dims, z, number, parameter):
        return operator(z, number, parameter), in_dims[0]

    return operator


recorded_value = _register("activation", value, _Value, lambda z: z.dtype)
_slope = _register(
    "activation_derivative", derivative, _Derivative, lambda z: z.dtype if z.dtype in DIRECT else torch.float32
)
