"""What one measured step of a PyTorch model says: norms layer by layer, and the profile made of them."""

# Design: norms are taken in the tensor's own type, and again in float64 where that leaves the ordinary range.

import math
from dataclasses import dataclass

import numpy as np
import torch

from fastgrad.decay import GradientProfile

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


class Layer:
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
            totals = torch.linalg.vector_norm(units, 1, dim=1, dtype=exact(units))  # 0 only if all are
            self.closed = float((totals == 0).double().mean())

    def see_weight_gradient(self, gradient):
        self.weight_gradient = _log10_rms(gradient)


def exact(values):
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def _log10_rms(values):
    """log10 of the root mean square; -inf if all are 0, NaN if one is NaN."""
    norm = float(torch.linalg.vector_norm(values, dtype=exact(values)))
    if not _ORDINARY[0] < norm < _ORDINARY[1]:
        norm = float(torch.linalg.vector_norm(values, dtype=torch.float64))
    return math.log10(norm) - 0.5 * math.log10(values.numel()) if norm else -math.inf


def profile_of(model, layers, step):
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
        X=None,  # type: ignore[arg-type]
        y=None,  # type: ignore[arg-type]
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
