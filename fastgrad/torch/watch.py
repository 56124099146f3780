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
#         - Norms are taken in the tensor's own type and again in float64 where that leaves the ordinary range.
#         - This measures plain backpropagation as PyTorch runs it. What vanished in float32 is -inf here; an MLP of
#           fastgrad carries exponents instead (decay.py).

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from fastgrad._validation import positive_int
from fastgrad.activations import Activation, activation
from fastgrad.decay import SATURATED_SHARE, SATURATING, GradientProfile
from fastgrad.torch.modules import Dense, ElementwiseModule

_LOOKUPS = (nn.Embedding, nn.EmbeddingBag)  # they own a matrix and multiply nothing by it
_ORDINARY = 1e-15, 1e15  # norms whose squares are ordinary numbers in float32
_UNDERFLOW = -36.0  # log10 of a delta from which single numbers are lost in float32


@dataclass(frozen=True, eq=False)
class WatchedProfile(GradientProfile):
    """A :class:`fastgrad.GradientProfile` of one step of a PyTorch model.

    Its ``network`` is the model, and there is no X and y. ``saturated_fraction`` counts the saturating activations that
    are modules and ran behind a layer (0 where there is none), ``dead_fraction`` the units, or channels, whose delta is
    0 on every sample. ``diagnosis`` is the verdict with its evidence; causes need a network that can be drawn again.

    Attributes
    ----------
    layers : tuple of str
        Names of the modules in the order in which they ran; one that ran twice is there twice.
    units : tuple of int
        Features or channels that each puts out.
    step : int
        Forward passes with gradients since :func:`watch`, this one included.
    """

    layers: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    step: int = 0

    @property
    def widths(self) -> tuple[int, ...]:
        return self.units

    @property
    def diagnosis(self):
        from fastgrad.diagnosis import diagnose  # SciPy's optimizers

        return diagnose(self)

    def to_dict(self) -> dict:
        head = {"layers": list(self.layers), "units": list(self.units), "step": self.step, "batch": self.batch}
        return head | self._measured()

    def __str__(self) -> str:
        wide = max(map(len, (*self.layers, "layer")))
        lines = [f"{'layer':{wide}}  units   log10 delta  log10 dL/dW      log10 z  saturated   dead"]
        hidden = zip([*self.saturated_fraction, None], [*self.dead_fraction, None], strict=True)
        numbers = zip(self.log10_delta, self.log10_weight_gradient, self.log10_signal, strict=True)
        for name, units, three, shares in zip(self.layers, self.units, numbers, hidden, strict=True):
            columns = "".join(f"{number:13.2f}" for number in three)
            closed = "".join(
                "" if share is None else f"{share:{w}.0%}" for share, w in zip(shares, (11, 7), strict=True)
            )
            lines.append(f"{name:{wide}}  {units:5d}{columns}{closed}")
        return "\n".join([*lines, str(self.diagnosis)])


class _Layer:
    """What one measured step learns of one layer."""

    def __init__(self, name, z, axis):
        self.name, self.axis, self.samples, self.units = name, axis, z.shape[0], z.shape[axis]
        self.signal, self.single = _log10_rms(z), z.dtype != torch.float64
        self.delta = self.weight_gradient = None
        self.closed = self.saturated = 0.0

    def see_delta(self, gradient):
        self.delta = _log10_rms(gradient)
        units = gradient.movedim(self.axis, 0).flatten(1)  # (units, samples)
        if (units[:, 0] == 0).any():  # else each has let something through for the first sample
            totals = torch.linalg.vector_norm(units, 1, dim=1, dtype=_exact(units))  # 0 only if all are
            self.closed = float((totals == 0).double().mean())

    def see_weight_gradient(self, gradient):
        self.weight_gradient = _log10_rms(gradient)


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

    def __init__(self, model: nn.Module, every: int = 20) -> None:
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
        self._always = [model.register_forward_pre_hook(self._begin), model.register_forward_hook(self._end)]

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
                module.on_preactivation = partial(self._see_layer, module, ())
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
        if not isinstance(z, torch.Tensor) or not z.requires_grad or z.ndim < 2:
            return
        layer = _Layer(self._name_of_run(module), z.detach(), _unit_axis(module, z))
        self._layers.append(layer)
        self._gradient_hooks.append(z.register_hook(layer.see_delta))
        if _weight(module).requires_grad:
            self._gradient_hooks.append(_weight(module).register_hook(layer.see_weight_gradient))
        if isinstance(module, Dense) and module in self._limits:
            self._see_activation(module, (z,))

    def _see_activation(self, module, inputs):
        if self._layers and inputs:
            both_sides, limit = self._limits[module]
            z = inputs[0].detach()
            beyond = (z.abs() if both_sides else -z).gt_(limit)  # 0 or 1 in z's own type: five times as fast as bools
            self._layers[-1].saturated = float(beyond.sum(dtype=_exact(z))) / z.numel()

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
            self.history.append(_profile(self.model, layers, self._measured_step))


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
    return name and activation(name)


def _exact(values):
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def _log10_rms(values):
    """log10 of the root mean square; -inf if all are 0, NaN if one is NaN."""
    norm = float(torch.linalg.vector_norm(values, dtype=_exact(values)))
    if not _ORDINARY[0] < norm < _ORDINARY[1]:
        norm = float(torch.linalg.vector_norm(values, dtype=torch.float64))
    return math.log10(norm) - 0.5 * math.log10(values.numel()) if norm else -math.inf


def _profile(model, layers, step):
    delta = np.array([layer.delta for layer in layers])
    gone = np.flatnonzero(delta == -math.inf)
    zero_layer = int(gone[-1]) + 1 if gone.size and gone[-1] < len(delta) - 1 else None
    gradients = [math.nan if layer.weight_gradient is None else layer.weight_gradient for layer in layers]
    return WatchedProfile(
        log10_delta=delta,
        log10_weight_gradient=np.array(gradients),
        log10_signal=np.array([layer.signal for layer in layers]),
        saturated_fraction=np.array([layer.saturated for layer in layers[:-1]]),
        dead_fraction=_dead(delta, [layer.closed for layer in layers]),
        float32_zero_layer=zero_layer if layers[0].single else None,
        float64_zero_layer=None if layers[0].single else zero_layer,
        batch=layers[0].samples,
        network=model,
        X=None,
        y=None,
        layers=tuple(layer.name for layer in layers),
        units=tuple(layer.units for layer in layers),
        step=step,
    )


def _dead(delta, closed):
    """Per hidden layer the share of units that pass nothing, where that is the layer's doing.

    It is not where delta has vanished already, in the layer or above it: then zeros are what rounding left.
    """
    alive = delta[1:] > _UNDERFLOW
    vanished = (delta[:-1] <= _UNDERFLOW) & (delta[:-1] > -math.inf)
    return np.where(alive & ~vanished, closed[:-1], 0.0)
