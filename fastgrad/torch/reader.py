"""A PyTorch model of Linear layers -> its layers and the activation between them, found by one forward pass."""

# Design: - What counts is which modules run, and in which order, not what is registered: the model is run once on the
#           monitor's rows, without gradients, and the input and output of every module are kept.
#         - Each module is checked by its own numbers: its input must be the output of the one before, and its output
#           what this package computes from that input. So a functional activation, a residual connection or a layer
#           that does something else is found where it is, and no rounding error grows with depth.
#         - Modules that change when they run (batch statistics, random masks) are refused before anything runs.

from typing import NoReturn

import numpy as np
import torch
from torch import nn
from torch.nn.functional import linear

from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.learning.models import IDENTITY
from fastgrad.torch.modules import Dense, ElementwiseModule

_NO_CHANGE = (nn.Identity, nn.Flatten, nn.Dropout, nn.AlphaDropout)
# PyTorch's own classes of the titles in activations.FACTS, where it has them.
_OF_TORCH = {getattr(nn, phi.facts.title, None): phi for phi in map(activation, ACTIVATIONS)}
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@torch.no_grad()
def read(model: nn.Module, X, declared: Activation | None) -> tuple[list[nn.Linear], Activation | None]:
    """The Linear layers in the order in which they run, and the activation between them (None for a single layer).

    Parameters
    ----------
    model : torch.nn.Module
    X : array_like, shape (rows, features)
        What to run it on.
    declared : Activation or None
        The activation between the layers, according to the caller. It is needed, and must give the numbers that were
        seen, where the activation is no module.

    Raises
    ------
    TypeError
        If there is no Linear layer.
    ValueError
        If the model is anything but Linear layers with one of the five activations, the same between all of them.
    """
    model = getattr(model, "_orig_mod", model)  # what torch.compile was given
    _check_modules(model)
    runs, output = _run(model, X)
    layers, between, last, value = [], [], "the input", runs[0][2] if runs else output
    for name, module, taken, given in runs:
        if not _same(taken, value):
            if not (layers and between[-1] is None and declared and _close(_phi(declared, value), taken)):
                _refuse(model, f"something between {last} and {name!r} is no module and {_not_known(declared)}")
            between[-1] = declared
        phi = activation_of(module)
        if isinstance(module, nn.Linear):
            if module in layers:
                _refuse(model, f"{name!r} runs twice")
            layers.append(module)
            between.append(phi)
            expected = linear(taken, module.weight, module.bias)
            expected = expected if phi is None else _phi(phi, expected)
        elif phi is not None:
            if not layers or between[-1] is not None:
                _refuse(model, f"{name!r} is an activation that does not follow a Linear layer")
            between[-1], expected = phi, _phi(phi, taken)
        else:
            expected = taken.reshape(given.shape)
        if not _close(given, expected):
            _refuse(model, f"{name!r} does not compute what {type(module).__name__} does")
        last, value = repr(name), given
    if not isinstance(output, torch.Tensor) or not _same(output, value) or between[-1] is not None:
        _refuse(model, f"something behind its last Linear layer changes the outputs (see {last})")
    return layers, _the_only_one(model, [IDENTITY if phi is None else phi for phi in between[:-1]])


def activation_of(module: nn.Module) -> Activation | None:
    """The activation that a module applies, with its parameter; None if it is none of ours."""
    if isinstance(module, ElementwiseModule | Dense):
        return module.activation
    phi = _OF_TORCH.get(type(module))
    if phi is None or phi.parameter_name is None:
        return phi
    return activation(phi.name, **{phi.parameter_name: getattr(module, phi.parameter_name)})


def _check_modules(model):
    if not any(isinstance(module, nn.Linear) for module in model.modules()):
        raise TypeError(f"this {type(model).__name__} has no fully connected layer")
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout | nn.AlphaDropout) and module.training and module.p:
            _refuse(model, f"{name!r} is dropout that is on (model.eval() turns it off)")
        if _is_known(module) or isinstance(module, _CONTAINERS):
            continue
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own or not any(module.children()):
            _refuse(model, f"it has no such thing as {name or 'the model'!r}, {type(module).__name__}")


def _is_known(module):
    return isinstance(module, (nn.Linear, *_NO_CHANGE)) or activation_of(module) is not None


def _run(model, X):
    """(name, module, input, output) of every module that computes something, as they run, and the model's output."""
    runs, taken, hooks = [], {}, []

    def take(module, inputs):
        taken[module] = inputs[0].clone()  # an activation may work in place

    def give(name, module, output):
        runs.append((name, module, taken.pop(module), output.clone()))

    for name, module in model.named_modules():
        if _is_known(module):
            hooks.append(module.register_forward_pre_hook(take))
            hooks.append(module.register_forward_hook(lambda m, _, output, name=name: give(name, m, output)))
    try:
        first = next(model.parameters())
        output = model(torch.as_tensor(np.asarray(X)).to(first.device, first.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return runs, output


def _the_only_one(model, between):
    if len(set(between)) > 1:
        names = ", ".join(sorted({str(phi) for phi in between}))
        _refuse(model, f"its layers have several activations ({names})")
    return between[0] if between else None


def _not_known(declared):
    if declared is None:
        return "so cannot be known (if it is an activation, name it: GradientMonitor(..., activation=))"
    return f"is not {declared}"


def _refuse(model, why) -> NoReturn:
    raise ValueError(f"GradientMonitor cannot measure this {type(model).__name__}: {why}; fastgrad.torch.watch can")


def _phi(phi, z):
    return torch.from_numpy(np.asarray(phi(z.double().cpu().numpy()))).to(z)


def _same(a, b):
    return a.numel() == b.numel() and torch.equal(a.reshape(b.shape), b)


def _close(a, b):
    """Whether they agree but for rounding, in proportion to the larger of each row."""
    if a.shape != b.shape:
        return False
    scale = torch.maximum(a.abs(), b.abs()).nan_to_num().amax(-1, keepdim=True)
    return bool((((a - b).abs() <= 64 * torch.finfo(a.dtype).eps * scale) | (a == b) | (a.isnan() & b.isnan())).all())
