"""GradientProfiles of one kind of network over several seeds -> DecayMeasurement: means and confidence intervals."""

# Design: - What is averaged over seeds is the logarithm. At width 32 the mean of 600 raw ratios was .50 where
#           the truth is 1.
#         - Each seed's profile is the same whatever the other seeds and their order; the means then agree to
#           rounding.

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fastgrad._validation import listed, matrix, plain_array, positive_int
from fastgrad.decay import GradientProfiles, profiles
from fastgrad.draws import Seed, check_distinct
from fastgrad.network import MLP
from fastgrad.slopes import decades_lost, decades_per_layer, half_life

LOGARITHMS = ("log10_delta", "log10_weight_gradient", "log10_signal")


@dataclass(frozen=True, eq=False, repr=False)
class DecayMeasurement:
    """Profiles of one kind of network over several seeds, and the means of their logarithms.

    Attributes
    ----------
    profiles : GradientProfiles
        A sequence of one :class:`fastgrad.GradientProfile` per seed, made when asked for.
    seeds : tuple of int
    log10_delta, log10_weight_gradient, log10_signal : ndarray, shape (L,)
        Means over the seeds; -inf if one of them is.
    log10_delta_sem, log10_weight_gradient_sem, log10_signal_sem : ndarray, shape (L,)
        Their standard errors; NaN with one seed, or where a value is infinite.
    saturated_fraction, dead_fraction : ndarray, shape (L - 1,)
        Means over the seeds.
    decades_per_layer : float
        Mean over the seeds of each profile's fit; inf or NaN if one of them is.
    decades_per_layer_interval : (float, float)
        Its 95 % confidence interval, Student's t; (-inf, inf) with one seed, NaN if the mean is not finite.
    decades_lost : float
        Mean over the seeds; inf or NaN if one of them is.
    half_life : float
        Of the mean decades per layer.
    float32_zero_layer, float64_zero_layer : int or None
        Median over the seeds (the lower one of an even number), None if plain backpropagation mostly
        survives.
    """

    profiles: GradientProfiles
    seeds: tuple
    log10_delta: np.ndarray
    log10_delta_sem: np.ndarray
    log10_weight_gradient: np.ndarray
    log10_weight_gradient_sem: np.ndarray
    log10_signal: np.ndarray
    log10_signal_sem: np.ndarray
    saturated_fraction: np.ndarray
    dead_fraction: np.ndarray
    decades_per_layer: float
    decades_per_layer_interval: tuple[float, float]
    decades_lost: float
    half_life: float
    float32_zero_layer: int | None
    float64_zero_layer: int | None

    def __repr__(self) -> str:
        low, high = self.decades_per_layer_interval
        slope = f"{self.decades_per_layer:z.3f} ({low:z.3f} to {high:z.3f}) per layer"
        return f"<DecayMeasurement of {len(self.seeds)} seeds: {self.decades_lost:z.2f} decades lost, {slope}>"


def measure(
    activation,
    init,
    depth: int,
    width: int,
    X,
    y,
    *,
    seeds: Iterable[Seed] = range(20),
    dtype="float32",
    loss="cross_entropy",
    n_out: int | None = None,
    bias_std: float | None = None,
    backend="compiled",
    workers: int = 1,
) -> DecayMeasurement:
    """Measure the gradient decay of ``depth`` hidden layers of ``width`` units at initialisation, over seeds.

    Parameters
    ----------
    activation : str or Activation
    init : str or Initializer
    depth : int
        Number of hidden layers.
    width : int
        Units per hidden layer.
    X : array_like, shape (batch, n_in)
    y : array_like
        Integer labels, shape (batch,), or for the mean squared error targets, shape (batch, n_out); those of one
        output may have shape (batch,).
    seeds : iterable of int or SeedSequence
        One network each, all on the same batch; no two alike.
    dtype : {"float32", "float64"}
    loss : {"cross_entropy", "mse"}
    n_out : int, optional
        Number of outputs; by default the largest label plus one (at least 2), or the columns of the targets.
    bias_std : float, optional
        Standard deviation of the biases; without it they are what the initializer says.
    backend : {"compiled", "numba", "numpy"}
    workers : int
        Threads that measure seeds side by side; the numbers do not depend on it. Each holds one network.

    Returns
    -------
    DecayMeasurement

    Raises
    ------
    ValueError
        If there are no seeds or one is there twice, depth, width, ``n_out`` or ``workers`` is below 1, a name is
        unknown, or X or y does not fit.
    TypeError
        If depth, width, ``n_out`` or a seed is not an integer, or X or y has the wrong dtype.
    """
    depth, width = positive_int("depth", depth), positive_int("width", width)
    seeds = tuple(listed("seeds", seeds))
    if not seeds:
        raise ValueError("seeds must name at least one seed, got none")
    check_distinct(seeds)
    X, y = matrix("X", X, (None, None)), plain_array("y", y)
    n_out = _outputs_of(loss, y) if n_out is None else positive_int("n_out", n_out)
    if X.shape[1] == 0:
        raise ValueError(f"X must have at least one feature, got shape {X.shape}")
    sizes = [X.shape[1], *[width] * depth, n_out]
    network = MLP(sizes, activation, init, seeds[0], dtype, loss, bias_std, backend)
    return summarise(profiles(network, seeds, X, y, positive_int("workers", workers)))


def _outputs_of(loss, y):
    if loss == "mse":
        return y.shape[1] if y.ndim == 2 else 1
    labels = y.size and y.dtype.kind in "iu"  # anything else gets its error from the profile
    return max(int(y.max()) + 1, 2) if labels else 2


def summarise(found: GradientProfiles) -> DecayMeasurement:
    """The means, standard errors and interval of profiles that differ in their seed alone."""
    slope, low, high = map(float, mean_interval(decades_per_layer(found.log10_delta)))
    return DecayMeasurement(
        profiles=found,
        seeds=found.seeds,
        **{name: getattr(found, name).mean(axis=0) for name in (*LOGARITHMS, "saturated_fraction", "dead_fraction")},
        **{f"{name}_sem": _standard_error(getattr(found, name)) for name in LOGARITHMS},
        decades_per_layer=slope,
        decades_per_layer_interval=(low, high),
        decades_lost=float(np.mean(decades_lost(found.log10_delta))),
        half_life=half_life(slope),
        float32_zero_layer=median_layer(found.float32_zero_layer),
        float64_zero_layer=median_layer(found.float64_zero_layer),
    )


def _standard_error(values):
    """Standard error of the mean over the first axis; NaN for a single value and where one is infinite."""
    if len(values) == 1:
        return np.full(values.shape[1:], math.nan)
    with np.errstate(invalid="ignore"):
        return values.std(axis=0, ddof=1) / math.sqrt(len(values))


def mean_interval(values):
    """Mean over the first axis and the ends of its 95 % confidence interval, Student's t.

    The interval is infinite for a single value, and NaN where a value is infinite.
    """
    mean = values.mean(axis=0)
    if len(values) == 1:
        return mean, np.full_like(mean, -math.inf), np.full_like(mean, math.inf)
    from scipy.special import stdtrit

    reach = stdtrit(len(values) - 1, 0.975) * _standard_error(values)
    return mean, mean - reach, mean + reach


def median_layer(layers):
    """The median of layers, the lower one of an even number; None counts as 0, and is what 0 becomes."""
    return statistics.median_low([layer or 0 for layer in layers]) or None
