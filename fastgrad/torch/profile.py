"""From the tensors of one measured step of a PyTorch model to its gradient profile and verdict."""

# Design: - A WatchedProfile is a GradientProfile: it inherits the fields, slopes, plot and dictionary of decay.py and
#           repeats none. What it adds cannot be in a GradientProfile: names, time steps and the update that followed.
#           What it leaves empty (X, y, mean_loss) serves to draw the network again, which a model of PyTorch cannot be.
#         - Norms are computed in the tensor's own type, and once more in float64 if they leave the range in which their
#           squares are ordinary numbers.
#         - A recurrent layer is one layer, with delta over all its time steps. It has a profile against time as well,
#           and the verdict is the worst of all. Steps after the last that the loss depends on are left out: their delta
#           is 0 by construction.
#         - The verdict is never "healthy" where something is not finite, or where there is nothing to compare (one
#           hidden layer, no time steps).

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from fastgrad._validation import plain
from fastgrad.decay import GradientProfile

_ORDINARY = 1e-15, 1e15  # between these, the square of a norm neither underflows nor overflows in float32
_UNDERFLOW = -36.0  # log10 of an RMS delta below which some of its entries underflow in float32
_NAMED = 3  # the evidence names at most this many of the parameters that are not watched


@dataclass(frozen=True, eq=False, repr=False)
class WatchedProfile(GradientProfile):
    """A :class:`fastgrad.GradientProfile` of one step of a PyTorch model.

    L is the number of layers: products of data with a parameter of two or more dimensions, in the order in which they
    ran. Everything logarithmic is log10 of a root mean square (RMS); -inf where the quantity is exactly 0, and NaN or
    inf where it is not finite.

    Attributes
    ----------
    log10_delta : ndarray, shape (L,)
        Of delta = dL/dz over batch and units, L being the loss that ``backward()`` was called on, z what the product
        gave. In plain backpropagation in the model's type, so a delta that underflows is -inf.
    log10_weight_gradient : ndarray, shape (L,)
        Of dL/dW over all weights that the product multiplies by; NaN if none of them learns.
    log10_signal : ndarray, shape (L,)
        Of z over batch and units.
    saturated_fraction : ndarray, shape (L - 1,)
        Share of the inputs of the first activation behind a layer whose derivative is below 1 % of its largest; 0 if
        that activation does not saturate.
    dead_fraction : ndarray, shape (L - 1,)
        Share of the units, or channels, whose delta is 0 on every sample though that of the next layer is not.
    float32_zero_layer, float64_zero_layer : int or None
        The layer nearest the output, 1 being the first, at which delta is nothing but zeros; that of the other type is
        None.
    batch : int
        Samples.
    layers : tuple of str, length L
        Names of the modules, or of the parameters where a module has several. A layer that ran twice is there twice.
    units : tuple of int, length L
        Features or channels of z.
    step : int
        Forward passes with gradients since :func:`watch`, this one included.
    log10_delta_by_time : dict of str to ndarray, shape (T,)
        For each recurrent layer, of dL/dz_t over batch and gates, in the order in which its time steps run, up to the
        last that the loss depends on. dL/dx_t is ``dL/dz_t @ W_ih``: it vanishes where dL/dz_t does.
    log10_update_ratio : ndarray, shape (L,), or None
        Of the change of the weights in the update that followed, over the weights; about -3 is usual, -inf where
        nothing moved. None until the optimizer has made that update.
    not_watched : tuple of str
        Parameters of two or more dimensions that learn and that no layer is multiplied by.
    fault : str
        What has become NaN or infinite since that step; empty if nothing has.
    network : torch.nn.Module
        The model. X and y are None and mean_loss is NaN: those stay with whoever trains it.
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
        """Decades that delta loses from the last hidden layer to the first; NaN if there is one layer only."""
        return super().decades_lost if len(self.layers) > 1 else math.nan

    @cached_property
    def diagnosis(self):
        """The verdict with its evidence, a :class:`fastgrad.Diagnosis` without causes.

        Causes need a network that can be drawn again. Beside the verdicts that a network of fastgrad may have, it may
        be ``"not finite"``, or ``"nothing to compare"`` for one hidden layer without time steps.
        """
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
        """The profile as JSON can hold it.

        Returns
        -------
        dict
            Of numbers, strings and lists of them; what is not finite is the string "inf", "-inf" or "nan".
        """
        return plain(
            {
                "layers": self.layers,
                "units": self.units,
                "step": self.step,
                "batch": self.batch,
                "verdict": self.diagnosis.verdict,
                "evidence": self.diagnosis.evidence,
                "not_watched": self.not_watched,
                "log10_update_ratio": None,
                "log10_delta_by_time": {name: delta.tolist() for name, delta in self.log10_delta_by_time.items()},
                **self._measured(),
            }
        )

    def _tags(self):
        # a layer that ran twice is there twice, as "name" and "name (2)"; loggers take no parentheses
        return [f"{position}_{name.split(' (')[0]}" for position, name in enumerate(self.layers, 1)]

    def _by_layer(self):
        ratio = self.log10_update_ratio
        return super()._by_layer() | ({} if ratio is None else {"log10_update_ratio": ratio})

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
        """The first quantity of this step that is NaN or infinite, as a sentence; "" if there is none.

        A delta of 0 has the logarithm -inf and is finite; dL/dW of a frozen layer is NaN because there is none.
        """
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
    """The verdict on log10 delta against time, shape (T,): the last step against the first, judged as layers are."""
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
    """The norms of one layer in one measured step; of a recurrent one, of one layer in one direction.

    Parameters
    ----------
    name : str
    weights : list of str
        Names of the parameters that it multiplies by.
    axis : int
        The axis of z that holds the units.
    recurrent : bool
        Whether its runs are time steps. Other layers have one run.

    Attributes
    ----------
    samples, units : int
        Sizes of z.
    single : bool
        Whether z has at most the precision of float32.
    saturated : float or None
        Share of saturated inputs of the first activation behind it; None if none has run.
    runs : int
        Time steps so far, of a recurrent cell that is called in a loop.
    """

    def __init__(self, name, weights, axis=-1, recurrent=False):
        self.name, self.weights, self.axis, self.recurrent = name, weights, axis, recurrent
        self.samples = self.units = self.single = self.saturated = None
        self.runs = 0
        self._signals, self._deltas = {}, {}
        self._closed: torch.Tensor  # there with the first delta

    def see_signal(self, z, units=None, run=0):
        """Take the norm of z, shape (samples, ...); ``units`` is its size if not that of ``axis``."""
        self.samples, self.units, self.single = z.shape[0], units or z.shape[self.axis], z.dtype != torch.float64
        self._signals[run] = _log10_rms(z), z.numel()

    def see_delta(self, gradient, run=0):
        """Take the norm of dL/dz, of the shape of z, and which units it is 0 for on every sample of every run."""
        units = gradient.movedim(self.axis, 0).flatten(1)  # (units, samples)
        closed = units[:, 0] == 0
        if closed.any():  # otherwise no unit is closed on the first sample, and the others need not be read
            closed = torch.linalg.vector_norm(units, 1, dim=1, dtype=exact(units)) == 0  # 0 only if all entries are
        self._closed = closed & self._closed if self._deltas else closed
        self._deltas[run] = _log10_rms(gradient), gradient.numel()

    @property
    def delta(self) -> float | None:
        """log10 RMS of delta over all runs; None if no gradient arrived."""
        return pooled(self._deltas.values()) if self._deltas else None

    @property
    def signal(self) -> float:
        """log10 RMS of z over all runs."""
        return pooled(self._signals.values())

    @property
    def closed(self) -> float:
        """Share of the units whose delta is 0 on every sample of every run."""
        return float(self._closed.double().mean())

    def delta_by_time(self) -> np.ndarray:
        """log10 RMS of delta per run, shape (T,), up to the last run that the loss depends on."""
        delta = np.array([self._deltas[run][0] for run in sorted(self._deltas)])
        reached = np.flatnonzero(delta > -math.inf)
        return delta[: reached[-1] + 1] if reached.size else delta


def exact(values: torch.Tensor) -> torch.dtype:
    """The type to sum such numbers in."""
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def pooled(parts) -> float:
    """log10 of the RMS of several tensors taken together, from (log10 of the RMS, number of entries) of each."""
    logs, counts = np.array(list(parts)).T
    top = logs.max()
    if not math.isfinite(top):
        return float(top)
    return float(top + 0.5 * math.log10(np.average(10.0 ** (2 * (logs - top)), weights=counts)))


def size_of(values) -> tuple[float, int]:
    """(log10 of the RMS, number of entries) of a tensor, for :func:`pooled`."""
    return _log10_rms(values), values.numel()


def _log10_rms(values):
    """log10 of the root mean square; -inf if all entries are 0, NaN if one is NaN."""
    norm = float(torch.linalg.vector_norm(values, dtype=exact(values)))
    if not _ORDINARY[0] < norm < _ORDINARY[1]:
        norm = float(torch.linalg.vector_norm(values, dtype=torch.float64))
    return math.log10(norm) - 0.5 * math.log10(values.numel()) if norm else -math.inf


def profile_of(model, layers, step, gradients):
    """The profile of one step.

    Parameters
    ----------
    model : torch.nn.Module
    layers : list of Layer
        Those that a gradient reached, in the order in which they ran.
    step : int
        Its number.
    gradients : dict of str to (float, int)
        :func:`size_of` dL/dW, by the name of the parameter.
    """
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
    """The share of closed units of each hidden layer; 0 where they may be closed because delta has underflowed.

    That is so where delta is as small as that in the layer, though not 0, or in the next one towards the output.
    """
    alive = delta[1:] > _UNDERFLOW
    vanished = (delta[:-1] <= _UNDERFLOW) & (delta[:-1] > -math.inf)
    return np.where(alive & ~vanished, closed[:-1], 0.0)
