"""``watch(model)``: the gradient profile and the diagnosis of any PyTorch model, while it trains as it did before.

watched = fastgrad.torch.watch(model)
...                                     # train
print(watched.profile)                  # delta first, dL/dW second, the verdict below
"""

# Design: - A layer is a module that owns a weight matrix (Linear, convolutions, attention) and ran in the forward pass;
#           layers are in the order in which they ran. What it puts out is the pre-activation z, and the gradient that
#           arrives there is delta. Nothing is known about the model beyond that: branches and residual connections are
#           a sequence here.
#         - One step in `every` is measured, and hooks are there only then. In between a step pays for one call.
#         - This measures plain backpropagation as PyTorch runs it. What vanished in float32 is -inf here; an MLP of
#           fastgrad carries exponents instead (decay.py).

from collections import Counter
from functools import cache, partial

import torch
from torch import nn

from fastgrad._validation import positive_int
from fastgrad.activations import Activation, activation
from fastgrad.decay import SATURATED_SHARE, SATURATING
from fastgrad.torch.modules import Dense, ElementwiseModule
from fastgrad.torch.profile import Layer, WatchedProfile, exact, profile_of

_LOOKUPS = (nn.Embedding, nn.EmbeddingBag)  # they own a matrix and multiply nothing by it


class Watcher:
    """The hooks on a model and what they found; :func:`watch` makes one. As a context manager it closes itself.

    Attributes
    ----------
    model : torch.nn.Module
    every : int
    step : int
        Forward passes with gradients so far.
    history : list of WatchedProfile
        The measured steps that are complete.
    """

    def __init__(self, model: nn.Module, every: int) -> None:
        _check_model(model)
        self.model, self.every = model, positive_int("every", every)
        self.step, self.history = 0, []
        self._layers, self._hooks, self._gradient_hooks = [], [], []
        self._names = {module: name or type(module).__name__ for name, module in model.named_modules()}
        self._limits = {module: limit for module in self._names if (limit := _saturation_limit(_activation_of(module)))}
        self._multipliers = [module for module in self._names if _weight(module) is not None]
        if len(self._multipliers) < 2:
            found = ", ".join(self._names[module] for module in self._multipliers) or "none"
            raise ValueError(
                f"watch needs two layers with weights, a hidden one and the output's; the model has {found}"
            )
        self._always = [
            model.register_forward_pre_hook(self._begin),
            model.register_forward_hook(self._end, always_call=True),  # also after an error on the way
        ]

    @property
    def profile(self) -> WatchedProfile:
        """The latest measured step; RuntimeError if no measured step has run backward yet."""
        self._finish()
        if not self.history:
            raise RuntimeError("nothing has been measured: run a step, forward and backward, after watch(model)")
        return self.history[-1]

    @property
    def diagnosis(self):
        """The verdict on the latest measured step, a :class:`fastgrad.Diagnosis`."""
        return self.profile.diagnosis

    def close(self) -> None:
        """Take the hooks off the model; what was measured stays."""
        self._finish()
        for hook in self._always:
            hook.remove()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def _begin(self, model, inputs):
        if not torch.is_grad_enabled():
            return
        self._finish()
        self.step += 1
        if (self.step - 1) % self.every:
            return
        self._measured_step, self._runs = self.step, Counter()
        for module in self._multipliers:
            if isinstance(module, Dense):
                module.on_preactivation = partial(self._see_layer, module, ())  # type: ignore[assignment]
            else:
                self._hooks.append(module.register_forward_hook(self._see_layer))
        for module in self._limits:
            if not isinstance(module, Dense):
                self._hooks.append(module.register_forward_pre_hook(self._see_activation))

    def _end(self, model, inputs, output):
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        for module in self._multipliers:
            if isinstance(module, Dense):
                module.on_preactivation = None

    def _see_layer(self, module, inputs, output):
        z = output[0] if isinstance(output, tuple | list) else output
        if not isinstance(z, torch.Tensor) or not z.requires_grad or z.ndim < 2 or not z.numel():
            return
        layer = Layer(self._name_of_run(module), z.detach(), _unit_axis(module, z))
        self._layers.append(layer)
        self._gradient_hooks.append(z.register_hook(layer.see_delta))
        if _weight(module).requires_grad:
            self._gradient_hooks.append(_weight(module).register_hook(layer.see_weight_gradient))
        if isinstance(module, Dense) and module in self._limits:
            self._see_activation(module, (z,))

    def _see_activation(self, module, inputs):
        if self._layers and inputs and inputs[0].numel():
            both_sides, limit = self._limits[module]
            z = inputs[0].detach()
            beyond = (z.abs() if both_sides else -z).gt_(limit)  # 0 or 1 in z's own type: five times as fast as bools
            self._layers[-1].saturated = float(beyond.sum(dtype=exact(z))) / z.numel()

    def _name_of_run(self, module):
        name = self._names[module]
        self._runs[name] += 1
        return name if self._runs[name] == 1 else f"{name} ({self._runs[name]})"

    def _finish(self):
        """Turn what the last measured step left into a profile, if it ran backward."""
        for hook in self._gradient_hooks:
            hook.remove()
        layers = [layer for layer in self._layers if layer.delta is not None]
        self._layers, self._gradient_hooks = [], []
        if len(layers) >= 2:
            self.history.append(profile_of(self.model, layers, self._measured_step))


def watch(model: nn.Module, every: int = 20) -> Watcher:
    """Measure how gradients change from layer to layer of a model while it is trained.

    Parameters
    ----------
    model : torch.nn.Module
        Any model with at least two layers that own a weight matrix, on any device. Not one that ``torch.compile`` made:
        it does not run hooks.
    every : int
        One step in so many is measured, the first included; a step is a forward pass of the model with gradients.

    Returns
    -------
    Watcher
        ``.profile`` and ``.diagnosis`` of the latest measured step, ``.history`` of all; ``.close()`` ends it.

    Raises
    ------
    TypeError
        If it is no ``torch.nn.Module``, or ``every`` is no integer.
    ValueError
        If it has fewer than two such layers, was compiled, or ``every`` is below 1.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> with watch(model) as watched:
    ...     model(torch.ones(3, 4)).sum().backward()
    >>> watched.profile.layers
    ('0', '2', '4')
    >>> watched.diagnosis.verdict
    'healthy'
    """
    return Watcher(model, every)


def _check_model(model):
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if hasattr(model, "_orig_mod"):
        raise ValueError("a compiled model does not run hooks: watch the model that was given to torch.compile")


def _weight(module):
    """The weight matrix that a module multiplies by, or None; for attention that of its output."""
    owner = module.out_proj if isinstance(module, nn.MultiheadAttention) else module
    weight = getattr(owner, "weight", None)
    is_matrix = isinstance(weight, nn.Parameter) and weight.ndim >= 2
    return weight if is_matrix and not isinstance(module, _LOOKUPS) else None


def _unit_axis(module, z):
    """Where the units are: channels of a convolution, else the last axis."""
    convolution = isinstance(module, nn.modules.conv._ConvNd)
    return -1 - len(module.kernel_size) if convolution else -1


@cache
def _saturation_limit(phi):
    """(on both sides?, the |z| beyond which phi' is below ``SATURATED_SHARE`` of its bound); None if there is none."""
    if phi is None or phi.name not in SATURATING:
        return None
    threshold, low, high = SATURATED_SHARE * phi.derivative_bound, 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if phi.derivative(-middle) >= threshold else (low, middle)
    return phi.name != "elu", high


def _activation_of(module) -> Activation | None:
    if isinstance(module, ElementwiseModule | Dense):
        return module.activation
    if isinstance(module, nn.ELU):
        return activation("elu", alpha=module.alpha)
    name = {nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}.get(type(module))
    return name and activation(name)  # type: ignore[return-value]
