"""``torch.nn.Module`` forms of the activations, and a linear layer with its activation in one node."""

import torch
from torch import nn
from torch.compiler import is_dynamo_compiling
from torch.overrides import has_torch_function_unary

from fastgrad import activations, formulas
from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.ffi import number_and_parameter
from fastgrad.kernels.compiled import value_and_derivative_at
from fastgrad.signatures import made_for
from fastgrad.torch.functional import apply, through
from fastgrad.torch.tensors import DIRECT, address_of


class ElementwiseModule(nn.Module):
    """One activation; ``activation`` is its record, with the parameter."""

    activation: Activation

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return apply(input, self.activation)

    def extra_repr(self) -> str:
        name = self.activation.parameter_name
        return f"{name}={self.activation.parameter:g}" if name else ""


def _class(name):
    """The module class of an activation, under its title."""
    label, default = formulas.PARAMETERS.get(name, ("", 0.0))

    def plain(self) -> None:
        nn.Module.__init__(self)
        self.activation = Activation(name)

    def with_parameter(self, parameter: float = default) -> None:
        nn.Module.__init__(self)
        self.activation = activation(name, **{label: parameter})

    doc = f"{formulas.VALUES[name].__doc__}\n\nOn the CPU, with a gradient that is right in the tails.\n"
    if label:
        doc += f"\nParameters\n----------\n{label} : float\n    From 0 to 2**100; ValueError if it is not.\n"
    init = made_for(name, with_parameter if label else plain, "__init__")
    title = Activation(name).facts.title
    return type(title, (ElementwiseModule,), {"__init__": init, "__doc__": doc, "__module__": __name__})


CLASSES = {made.__name__: made for made in map(_class, ACTIVATIONS)}
globals().update(CLASSES)
__all__ = ["Dense", *CLASSES]


class _Fused(torch.autograd.Function):
    """y = phi(x W^T + b) of ordinary tensors: y takes the place of z, and phi'(z) is kept."""

    @staticmethod
    def forward(ctx, x, weight, bias, number, parameter):
        y = nn.functional.linear(x, weight, bias).contiguous()
        d = torch.empty_like(y)
        at = y.data_ptr()
        value_and_derivative_at(number, y.element_size(), y.numel(), at, parameter, at, d.data_ptr())
        ctx.save_for_backward(x, weight, d)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, d = ctx.saved_tensors
        need_dx, need_dweight, need_dbias = ctx.needs_input_grad[:3]
        dz = through(dy, d)
        rows = dz.reshape(-1, dz.shape[-1])
        dx = dz @ weight if need_dx else None  # z = x @ weight.T + bias
        dweight = rows.T @ x.reshape(-1, x.shape[-1]) if need_dweight else None
        dbias = rows.sum(0) if need_dbias else None
        return dx, dweight, dbias, None, None


_fused = super(torch.autograd.Function, _Fused).apply


class Dense(nn.Linear):
    """``torch.nn.Linear`` followed by an activation, in one node of the graph.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of a sample before and behind the layer.
    activation : str or Activation
        ``"elu"``, or ``fastgrad.activation("elu", alpha=0.5)``.
    bias : bool
        Whether to add one.
    device : torch.device, optional
        Of the parameters; the layer computes on the CPU only.
    dtype : torch.dtype, optional
        Of the parameters. They are those of ``torch.nn.Linear``, and initialised as there.

    Raises
    ------
    ValueError
        If the activation is unknown; in a call, if the input is on another device.
    TypeError
        In a call, if the dtype is not one that ``fastgrad.torch`` takes.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str | Activation = "relu",
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.activation = activations.activation(activation)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if is_dynamo_compiling() or has_torch_function_unary(input) or not self._fuses(input):
            return apply(super().forward(input), self.activation)
        return _fused(input, self.weight, self.bias, *number_and_parameter(self.activation))

    def _fuses(self, input):
        """Whether the node may read the memory of input and parameters; watch() wants to see z, a tracer two calls."""
        if input.dtype not in DIRECT or input.dtype != self.weight.dtype or torch.is_autocast_enabled("cpu"):
            return False
        tensors = (input, self.weight) if self.bias is None else (input, self.weight, self.bias)
        return torch.is_grad_enabled() and all(map(address_of, tensors))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation}"
