"""The activations as functions of PyTorch tensors on the CPU, without a copy, with derivatives from z."""

# Design: - The forward pass computes phi(z) and phi'(z) together and keeps phi'(z), not z; the backward pass is a
#           multiplication by PyTorch. It overwrites phi'(z) unless the graph is kept, so it allocates nothing. Should
#           phi'(z) be needed once more after all, PyTorch's version counter makes that an error.
#         - The kernels get addresses through the table of C functions (ffi.py), of ordinary tensors (tensors.py). For
#           any others there are registered operators (operators.py), which take 45 us longer, forward and backward.
#         - Any dense layout goes as it lies in memory, anything else is copied first. float16 and bfloat16 are computed
#           in float32 and rounded once.
#         - ReLU and Leaky ReLU are PyTorch's own: their derivatives are exact there, and a node that is written in
#           Python costs more than what they compute. In an export to ONNX all are, because ONNX has those.

import torch
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function_unary

from fastgrad import formulas
from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.ffi import ACTIVATION_NUMBERS, number_and_parameter
from fastgrad.kernels.compiled import value_and_derivative_at
from fastgrad.signatures import document, function_of
from fastgrad.torch.internals import graph_is_kept, is_dynamo_compiling
from fastgrad.torch.operators import ONCE, recorded_value, value
from fastgrad.torch.tensors import DIRECT, address_of, check, observed


class _Eager(torch.autograd.Function):
    """phi of an ordinary tensor of a type that the kernels read."""

    @staticmethod
    def forward(ctx, z, address, number, parameter):
        y, d = torch.empty_like(z), torch.empty_like(z)
        if z.stride() != y.stride():
            address = y.copy_(z).data_ptr()
        value_and_derivative_at(number, z.element_size(), z.numel(), address, parameter, y.data_ptr(), d.data_ptr())
        ctx.save_for_backward(d)
        return y

    @staticmethod
    def backward(ctx, dy):
        """dL/dz = dL/dy phi'(z), in the memory of d = phi'(z) if the graph is not used again."""
        (d,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # with create_graph=True; a second derivative would silently be 0
            raise RuntimeError(ONCE)
        if is_dynamo_compiling() or graph_is_kept() or observed():
            return dy * d, None, None, None
        try:
            return d.mul_(dy), None, None, None
        except RuntimeError:  # dy is a whole batch of gradients (is_grads_batched=True)
            return dy * d, None, None, None


_node = super(torch.autograd.Function, _Eager).apply  # _Eager.apply looks for transforms, of which there are none


def apply(z: torch.Tensor, phi: Activation) -> torch.Tensor:
    """phi(z), differentiable once (ReLU and Leaky ReLU: as often as one likes)."""
    if has_torch_function_unary(z):  # as torch's own functions: watch() counts what is saturated
        return handle_torch_function(apply, (z,), z, phi)
    if is_dynamo_compiling() or phi.name in _OF_TORCH or not (address := address_of(z)):
        return _through_torch(z, phi)
    if z.dtype not in DIRECT:
        check(z)
        return apply(z.float(), phi).to(z.dtype)
    number, parameter = ACTIVATION_NUMBERS[phi.name], phi.parameter or 0.0
    if z.requires_grad and torch.is_grad_enabled():
        return _node(z, address, number, parameter)
    return value(z, number, parameter)


def _through_torch(z, phi):
    """phi(z) by PyTorch's own function, or by an operator that it knows."""
    check(z)
    if phi.name in _OF_TORCH or torch.onnx.is_in_onnx_export():
        return getattr(functional, phi.name)(z, *(() if phi.parameter is None else (phi.parameter,)))
    return recorded_value(z, *number_and_parameter(phi))


_OF_TORCH = ("relu", "leaky_relu")
_ARRAY = """input : Tensor
    float32, float64, float16 or bfloat16 on the CPU, of any shape and layout."""
_RESULT = """Tensor
    Of the same shape and dtype. It can be differentiated once."""
_ERRORS = (
    "TypeError\n    If input is no tensor, not dense or of another dtype.",
    "ValueError\n    If it is on another device.",
)


def _function(name):
    parameter = formulas.PARAMETERS.get(name, ("",))[0]
    doc = document(formulas.VALUES[name].__doc__, _ARRAY, _RESULT, _ERRORS, parameter)
    return function_of(name, apply, activation, doc, {"input": torch.Tensor, "return": torch.Tensor})


FUNCTIONS = {name: _function(name) for name in ACTIVATIONS}
globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]
