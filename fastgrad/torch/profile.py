"""What one measured step of a PyTorch model says: norms layer by layer, and the profile made of them."""

# Design: - Norms are taken in the tensor's own type, and again in float64 where that leaves the ordinary range.
#         - A recurrent layer is one layer, with delta over all its steps; against time it has a profile of its own, and
#           the verdict is the worst of all. Steps after the last that the loss depends on are left out: their delta is
#           0 by construction.
#         - Never healthy: what is not finite, and what cannot be compared (one hidden layer, no time steps).

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from fastgrad.decay import GradientProfile

_ORDINARY = 1e-15, 1e15  # norms whose squares are ordinary numbers in float32
_UNDERFLOW = -36.0  # log10 of a delta from which single numbers are lost in float32
_NAMED = 3  # parameters that are not watched are named up to this number


@dataclass(frozen=True, eq=False)
class WatchedProfile(GradientProfile):
    """A :class:`fastgrad.GradientProfile` of one step of a PyTorch model.

    Its ``network`` is the model, and there is no X and y. ``log10_weight_gradient`` is over all weights that feed the
    layer. ``saturated_fraction`` counts the inputs of the first saturating activation behind a layer (0 where there is
    none), ``dead_fraction`` the units, or channels, whose delta is 0 on every sample. ``diagnosis`` is the verdict with
    its evidence; causes need a network that can be drawn again. Beside the verdicts of :class:`fastgrad.Diagnosis` it
    may be ``"not finite"``, or ``"nothing to compare"`` for one hidden layer without time steps.

    Attributes
    ----------
    layers : tuple of str
        Names of the modules, or of the parameters where a module has several, in the order in which they ran; one that
        ran twice is there twice.
    units : tuple of int
        Features or channels that each puts out.
    step : int
        Forward passes with gradients since :func:`watch`, this one included.
    log10_delta_by_time : dict of str to ndarray, shape (T,)
        For every recurrent layer, log10 RMS of dL/dz_t over batch and gates, in the order in which its steps run, up to
        the last that the loss depends on. dL/dx_t is ``dL/dz_t @ W_ih``: it vanishes where that does.
    log10_update_ratio : ndarray, shape (L,), or None
        As in :class:`fastgrad.learning.reading.Reading`, of the step that followed; None until the optimizer made it.
    not_watched : tuple of str
        Parameters of two or more dimensions that learn and that no layer here is multiplied by.
    fault : str
        What was found not to be finite since; empty if nothing was.
    """

    layers: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    step: int = 0
    log10_delta_by_time: dict[str, np.ndarray] = field(default_factory=dict)
    log10_update_ratio: np.ndarray | None = None
    not_watched: tuple[str, ...] = ()
    fault: str = ""

    @property
    def decades_lost(self) -> float:
        return super().decades_lost if len(self.layers) > 1 else math.nan

    @cached_property
    def diagnosis(self):
        from fastgrad.diagnosis import Diagnosis, judge  # SciPy's optimizers

        if fault := self.fault or self._not_finite():
            return Diagnosis("not finite", fault, math.nan)
        found = [_judge_time(name, delta) for name, delta in self.log10_delta_by_time.items() if len(delta) > 1]
        compared = len(self.layers) > 2 or bool(found)
        if len(self.layers) > 1:
            found.append(judge(self.log10_delta, self.saturated_fraction, self.dead_fraction, self.float32_zero_layer))
        worst = max(found, key=lambda one: (one.verdict != "healthy", abs(one.decades_lost)), default=None)
        if worst is None or (worst.verdict == "healthy" and not compared):
            only = "one layer" if len(self.layers) == 1 else "one hidden layer"
            worst = Diagnosis("nothing to compare", f"there is {only} only", math.nan)
        return replace(worst, evidence=worst.evidence + self._left_out())

    def to_dict(self) -> dict:
        ratio, by_time = self.log10_update_ratio, self.log10_delta_by_time
        return {
            "layers": list(self.layers),
            "units": list(self.units),
            "step": self.step,
            "batch": self.batch,
            "verdict": self.diagnosis.verdict,
            "evidence": self.diagnosis.evidence,
            "not_watched": list(self.not_watched),
            "log10_update_ratio": None if ratio is None else ratio.tolist(),
            "log10_delta_by_time": {name: delta.tolist() for name, delta in by_time.items()},
            **self._measured(),
        }

    def __str__(self) -> str:
        wide = max(map(len, (*self.layers, "layer")))
        head = f"{'layer':{wide}}  units   log10 delta  log10 dL/dW      log10 z  log10 update  saturated   dead"
        ratios = [math.nan] * len(self.layers) if self.log10_update_ratio is None else self.log10_update_ratio
        hidden = zip([*self.saturated_fraction, None], [*self.dead_fraction, None], strict=True)
        numbers = zip(self.log10_delta, self.log10_weight_gradient, self.log10_signal, strict=True)
        lines = [head]
        for name, units, three, ratio, shares in zip(self.layers, self.units, numbers, ratios, hidden, strict=True):
            columns = "".join(f"{number:13.2f}" for number in three) + f"{ratio:14.2f}"
            closed = "".join(
                "" if share is None else f"{share:{w}.0%}" for share, w in zip(shares, (11, 7), strict=True)
            )
            lines.append(f"{name:{wide}}  {units:5d}{columns}{closed}")
        for name, delta in self.log10_delta_by_time.items():
            lines.append(f"{name:{wide}}  {len(delta)} time steps, log10 delta {delta[-1]:.2f} at the last, "
                         f"{delta[0]:.2f} at the first")  # fmt: skip
        return "\n".join([*lines, str(self.diagnosis)])

    def _not_finite(self):
        """Where this step was not finite. A delta of 0 is -inf and fine; a frozen layer has no dL/dW, which is NaN."""
        measured = ("z", self.log10_signal), ("delta", self.log10_delta), ("dL/dW", self.log10_weight_gradient)
        for what, numbers in measured:
            for name, number in zip(self.layers, numbers, strict=True):
                if number == math.inf or (math.isnan(number) and what != "dL/dW"):
                    return f"{what} of {name} is not finite at step {self.step}"
        return ""

    def _left_out(self):
        if not self.not_watched:
            return ""
        more = len(self.not_watched) - _NAMED
        return f"; not watched: {', '.join(self.not_watched[:_NAMED])}" + (f" and {more} more" if more > 0 else "")


def _judge_time(name, delta):
    """The verdict on delta against time, shape (T,): between the last step and the first, as between layers."""
    from fastgrad.diagnosis import DECADES, Diagnosis

    steps, lost = len(delta), float(delta[-1] - delta[0])
    if delta[-1] == -math.inf:
        return Diagnosis("vanishing", f"no gradient reaches {name}", math.inf)
    if (delta == -math.inf).any():
        lost, gone = math.inf, int(np.flatnonzero(delta == -math.inf)[-1]) + 1
        evidence = f"delta of {name} is exactly 0 from time step {gone} of {steps} down to the first"
    else:
        verb = "falls" if lost >= 0 else "grows"
        evidence = f"delta of {name} {verb} by {abs(lost):.2f} decades from time step {steps} to the first"
    verdict = "healthy" if abs(lost) < DECADES else "vanishing" if lost > 0 else "exploding"
    return Diagnosis(verdict, evidence, lost)


class Layer:
    """What one measured step learns of one layer, or of one track of a recurrent one, whose steps are its runs."""

    def __init__(self, name, weights, axis=-1, recurrent=False):
        self.name, self.weights, self.axis, self.recurrent = name, weights, axis, recurrent
        self.samples = self.units = self.single = self.saturated = None
        self.runs = 0
        self._signals, self._deltas = {}, {}
        self._closed: torch.Tensor  # there with the first delta

    def see_signal(self, z, units=None, run=0):
        self.samples, self.units, self.single = z.shape[0], units or z.shape[self.axis], z.dtype != torch.float64
        self._signals[run] = _log10_rms(z), z.numel()

    def see_delta(self, gradient, run=0):
        units = gradient.movedim(self.axis, 0).flatten(1)  # (units, samples)
        closed = units[:, 0] == 0
        if closed.any():  # else each has let something through for the first sample
            closed = torch.linalg.vector_norm(units, 1, dim=1, dtype=exact(units)) == 0  # 0 only if all are
        self._closed = closed & self._closed if self._deltas else closed
        self._deltas[run] = _log10_rms(gradient), gradient.numel()

    @property
    def delta(self) -> float | None:
        """None if no gradient came."""
        return pooled(self._deltas.values()) if self._deltas else None

    @property
    def signal(self) -> float:
        return pooled(self._signals.values())

    @property
    def closed(self) -> float:
        return float(self._closed.double().mean())

    def delta_by_time(self) -> np.ndarray:
        """log10 RMS of delta per run, up to the last that the loss depends on."""
        delta = np.array([self._deltas[run][0] for run in sorted(self._deltas)])
        reached = np.flatnonzero(delta > -math.inf)
        return delta[: reached[-1] + 1] if reached.size else delta


def exact(values):
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def pooled(parts) -> float:
    """log10 of the RMS of several arrays taken together, from (log10 of the RMS, number of entries) of each."""
    logs, counts = np.array(list(parts)).T
    top = logs.max()
    if not math.isfinite(top):
        return float(top)
    return float(top + 0.5 * math.log10(np.average(10.0 ** (2 * (logs - top)), weights=counts)))


def size_of(values) -> tuple[float, int]:
    """What :func:`pooled` takes of one tensor."""
    return _log10_rms(values), values.numel()


def _log10_rms(values):
    """log10 of the root mean square; -inf if all are 0, NaN if one is NaN."""
    norm = float(torch.linalg.vector_norm(values, dtype=exact(values)))
    if not _ORDINARY[0] < norm < _ORDINARY[1]:
        norm = float(torch.linalg.vector_norm(values, dtype=torch.float64))
    return math.log10(norm) - 0.5 * math.log10(values.numel()) if norm else -math.inf


def profile_of(model, layers, step, gradients):
    """The profile of the layers that a gradient reached; ``gradients`` holds :func:`size_of` dL/dW by name."""
    delta = np.array([layer.delta for layer in layers])
    gone = np.flatnonzero(delta == -math.inf)
    zero_layer = int(gone[-1]) + 1 if gone.size and gone[-1] < len(delta) - 1 else None
    sizes = [[gradients[name] for name in layer.weights if name in gradients] for layer in layers]
    watched = {name for layer in layers for name in layer.weights}
    learning = [name for name, p in model.named_parameters() if p.requires_grad and p.ndim >= 2]
    return WatchedProfile(
        log10_delta=delta,
        log10_weight_gradient=np.array([pooled(size) if size else math.nan for size in sizes]),
        log10_signal=np.array([layer.signal for layer in layers]),
        saturated_fraction=np.array([layer.saturated or 0.0 for layer in layers[:-1]]),
        dead_fraction=_dead(delta, [layer.closed for layer in layers]),
        float32_zero_layer=zero_layer if layers[0].single else None,
        float64_zero_layer=None if layers[0].single else zero_layer,
        batch=layers[-1].samples,  # in front of the output: attention computes with time steps first
        network=model,
        X=None,
        y=None,
        mean_loss=math.nan,  # the user's
        layers=tuple(layer.name for layer in layers),
        units=tuple(layer.units for layer in layers),
        step=step,
        log10_delta_by_time={layer.name: layer.delta_by_time() for layer in layers if layer.recurrent},
        not_watched=tuple(name for name in learning if name not in watched),
    )


def _dead(delta, closed):
    """Per hidden layer the share of units that pass nothing, where that is the layer's doing.

    It is not where delta has vanished already, in the layer or above it: then zeros are what rounding left.
    """
    alive = delta[1:] > _UNDERFLOW
    vanished = (delta[:-1] <= _UNDERFLOW) & (delta[:-1] > -math.inf)
    return np.where(alive & ~vanished, closed[:-1], 0.0)
