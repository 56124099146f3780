"""The activations as functions of PyTorch tensors on the CPU, without a copy, with derivatives from z."""

# Design: - z is kept for the backward pass, not y and not phi'(z): z is there already, so nothing is allocated but the
#           two results, as in PyTorch's own activations. Keeping phi' instead saves a tenth of the time of tanh and
#           sigmoid at 2^18 floats and costs ELU as much.
#         - The kernels get addresses through the table of C functions (ffi.py); any dense layout goes as it lies in
#           memory, anything else is copied first. float16 and bfloat16 are computed in float32 and rounded once.
#         - Eager calls are an autograd.Function, a third of the overhead of an operator registered from Python;
#           torch.compile cannot look into an address and gets the registered operator.
#         - ReLU and Leaky ReLU are PyTorch's own: their derivatives are exact there, and a node that is written in
#           Python costs more (10 us) than what they compute.

import torch
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function_unary

from fastgrad import formulas
from fastgrad.activations import ACTIVATIONS, Activation, activation, made_for
from fastgrad.ffi import number_and_parameter, table

_VALUE, _BACKWARD = table().value, table().backward
DIRECT = (torch.float32, torch.float64)  # what the kernels read as it is
_TAKEN = (*DIRECT, torch.float16, torch.bfloat16)


def check(z):
    """One sentence for a tensor that the kernels cannot read."""
    if isinstance(z, torch.Tensor) and z.is_cpu and z.layout is torch.strided and z.dtype in _TAKEN:
        return
    if not isinstance(z, torch.Tensor):
        raise TypeError(f"fastgrad.torch takes tensors, got {type(z).__name__}: torch.as_tensor makes one")
    if not z.is_cpu:
        raise ValueError(f"fastgrad.torch computes on the CPU, got a tensor on {z.device}: move it with .cpu()")
    if z.layout is not torch.strided:
        raise TypeError(f"fastgrad.torch takes dense tensors, got {z.layout}: .to_dense() makes one")
    names = ", ".join(str(dtype).removeprefix("torch.") for dtype in _TAKEN)
    raise TypeError(f"fastgrad.torch takes {names}, got {str(z.dtype).removeprefix('torch.')}")


def _addressable(z, like):
    """z with the strides of ``like``, copied only where they differ."""
    z = z.resolve_neg()
    return z if z.stride() == like.stride() else torch.empty_like(like).copy_(z)


def value(z: torch.Tensor, number: int, parameter: float) -> torch.Tensor:
    """phi(z), outside autograd."""
    check(z)
    if z.dtype not in DIRECT:
        return value(z.float(), number, parameter).to(z.dtype)
    y = torch.empty_like(z)
    z = _addressable(z, y)
    _VALUE(number, z.element_size(), z.numel(), z.data_ptr(), parameter, y.data_ptr())
    return y


def backward(dy: torch.Tensor, z: torch.Tensor, number: int, parameter: float) -> torch.Tensor:
    """dy phi'(z), outside autograd."""
    if z.dtype not in DIRECT:
        return backward(dy.float(), z.float(), number, parameter).to(z.dtype)
    dz = torch.empty_like(z)
    z, dy = _addressable(z, dz), _addressable(dy, dz)
    _BACKWARD(number, z.element_size(), z.numel(), z.data_ptr(), parameter, dy.data_ptr(), dz.data_ptr())
    return dz


def check_first_derivative():
    """Whoever asks for a graph of the gradients wants a second derivative, which would silently be 0."""
    if torch.is_grad_enabled():
        raise RuntimeError("fastgrad.torch is differentiable once: with create_graph=True use torch's own")


class _Eager(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, number, parameter):
        ctx.save_for_backward(z)
        ctx.choice = number, parameter
        return value(z, number, parameter)

    @staticmethod
    def backward(ctx, dy):
        check_first_derivative()
        return backward(dy, *ctx.saved_tensors, *ctx.choice), None, None


_registered = torch.library.custom_op("fastgrad::activation", value, mutates_args=())
_registered_backward = torch.library.custom_op("fastgrad::activation_backward", backward, mutates_args=())


@_registered.register_fake
def _(z, number, parameter):
    return torch.empty_like(z)


@_registered_backward.register_fake
def _(dy, z, number, parameter):
    return torch.empty_like(z)


def _keep(ctx, inputs, output):
    z, *ctx.choice = inputs
    ctx.save_for_backward(z)


def _backward_of_registered(ctx, dy):
    return _registered_backward(dy, *ctx.saved_tensors, *ctx.choice), None, None


_registered.register_autograd(_backward_of_registered, setup_context=_keep)


def apply(z: torch.Tensor, phi: Activation) -> torch.Tensor:
    """phi(z), differentiable once (ReLU and Leaky ReLU: as often as one likes)."""
    if has_torch_function_unary(z):  # as torch's own functions: watch() counts what is saturated
        return handle_torch_function(apply, (z,), z, phi)
    if phi.name in _OF_TORCH:
        check(z)
        return _OF_TORCH[phi.name](z, phi.parameter)
    number, parameter = number_and_parameter(phi)
    if torch.compiler.is_compiling():
        return _registered(z, number, parameter)
    return _Eager.apply(z, number, parameter) if torch.is_grad_enabled() else value(z, number, parameter)


_OF_TORCH = {"relu": lambda z, _: functional.relu(z), "leaky_relu": functional.leaky_relu}
_DOC = """{summary}

Parameters
----------
input : Tensor
    float32, float64, float16 or bfloat16 on the CPU, of any shape and layout.
{parameter}
Returns
-------
Tensor
    Of the same shape and dtype. It can be differentiated once.

Raises
------
TypeError
    If it is no tensor, not dense or of another dtype.
ValueError
    If it is on another device, or the parameter is out of range.
"""


def _function(name):
    phi, summary = activation(name), formulas.VALUES[name].__doc__
    label, default = formulas.PARAMETERS.get(name, ("", 0.0))

    def plain(input: torch.Tensor) -> torch.Tensor:
        return apply(input, phi)

    def with_parameter(input: torch.Tensor, parameter: float = default) -> torch.Tensor:
        return apply(input, activation(name, **{label: parameter}))

    if not label:
        return made_for(name, plain, name, _DOC.format(summary=summary, parameter=""))
    about = f"{label} : float\n    From 0 to 2**100.\n"
    return made_for(name, with_parameter, name, _DOC.format(summary=summary, parameter=about))


FUNCTIONS = {name: _function(name) for name in ACTIVATIONS}
globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]
