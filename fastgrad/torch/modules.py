"""``torch.nn.Module`` forms of the activations, and a linear layer with its activation."""

# Design: Dense is two nodes of the graph. One node in Python for both, with the three products of its backward pass,
#         was no faster at any size from (1, 4) to (256, 512), and keeps as much: the activation keeps phi'(z), so z is
#         free once it has run.

import torch
from torch import nn

from fastgrad import activations, formulas
from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.signatures import made_for
from fastgrad.torch.functional import apply


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


class Dense(nn.Linear):
    """``torch.nn.Linear`` followed by an activation.

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
        return apply(super().forward(input), self.activation)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation}"
