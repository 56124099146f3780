"""What mean-field theory says of a network at its initialisation: signal, delta, and how far one may stray.

In wide layers with Var W = sigma_w^2 / fan_in and Var b = sigma_b^2 pre-activations are Normal(0, q), and::

    q_(l+1) = sigma_w^2 E phi(x_l)^2 + sigma_b^2, x_l ~ Normal(0, q_l)               (forward)
    |delta_l|^2 = chi(q_l) |delta_(l+1)|^2, chi(q_l) = sigma_w^2 E phi'(x_l)^2       (backward, square layers)

Below, ``weight_variance`` is sigma_w^2 = fan_in Var W, and ``bias_variance`` is sigma_b^2.

References
----------
Glorot and Bengio 2010, equations 5 and 6; He et al. 2015, equations 9 and 13; Poole et al. 2016 (the q
map); Schoenholz et al. 2017 (chi and its depth scale); Hanin and Nica 2019 (finite width).
"""

# Design: - Logarithms throughout: at depth 1000 q and |delta|^2 leave the float range. Beyond ``LOG_Q`` an
#           activation equals its limit (linear, half-linear or constant) to rounding: q is clipped there
#           and the rest is algebra.
#         - The recursion at finite depth, never the fixed point: tanh + Xavier has chi = 1 at its fixed
#           point, and 0.46 in its first layer.
#         - One q per sample, |delta|^2 averaged over samples, all of the same weight (at initialisation
#           their shares of the output delta are all but equal, and unknown before the pass). Batches are
#           cut to ``REPRESENTATIVES`` groups by q: the recursion contracts the spread where phi saturates,
#           and ReLU's chi ignores it.
#         - The band is first order in depth/width (`_noise`). Checked on 1500 networks of one sample (width
#           64, depth 30; ReLU, sigmoid, tanh, ELU; Xavier, He, critical): the variance is within 12 % of
#           the measured one, where backward noise alone is up to 30 % short; at depth 100 it is 19 % too
#           wide. The mean of the logarithm lay between -variance/2 - 0.12 and 0, for 32 samples up to +0.1
#           (tanh + He).
#         - First order ends at FIRST_ORDER = 1/2 in depth/width (the sum of 1/N over the hidden layers). On the digits,
#           five activations by Xavier, He and PyTorch's default, batch 64, the mean slope of 200 networks of width 32,
#           100 of width 64 and 60 of width 128 lies in its band at 1/8, 1/4 and 1/2, and up to 2 wherever the
#           activation is not ELU with He. That one is on the edge at 1/2 (width 128), has left it at 3/4 (64 and 128)
#           and at 3/2 (32): its q never settles, so the noise of ln q adds up and drags its mean along, and chi with
#           it, by some .03 depth^1.5/N decades over the depth, which the band leaves out. (ReLU's chi is the same for
#           every q.) The band narrows with the number of networks and this does not: within the limit, means of ten
#           or twenty are served at depths of up to 128; at width 512, depth 256 ELU + He stands outside with ten.
#           Nothing is widened for it: beyond the limit `in_band` says so in place of yes or no.

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from fastgrad import activations, slopes
from fastgrad._validation import data_matrix, layer_sizes, positive_int, real_number
from fastgrad.activations import Activation
from fastgrad.initializers import Initializer, initializer
from fastgrad.moments import (
    check_q,
    derivative,
    derivative_fourth_moment,
    derivative_second_moment,
    fourth_moment,
    gaussian_mean,
    second_moment,
    value,
)

LOG_Q = 460.0  # |ln q| beyond this (1e200) is left to the limit of phi
NOISE_LOG_Q = 28.0  # the noise has reached its limits at q = 1e-12 and 1e12
REPRESENTATIVES = 8
MARGINAL = 1e-13  # a growth of q this near to 1 is 1: twenty roundings of a moment
FIRST_ORDER = 0.5  # depth/width up to which the band holds
Z95 = 1.959963984540054  # 97.5 % point of the standard normal
TO_LOG10_RMS = 0.5 / math.log(10)  # from ln of a mean square to log10 of a root mean square


def q_map(activation: str | Activation, q, *, weight_variance: float, bias_variance: float = 0.0):
    """The variance of the pre-activations one layer on (Poole et al. 2016).

    ``q`` is a float or an array of any shape, finite and at least 0; ValueError otherwise.
    """
    weight_variance, bias_variance = _check_variances(weight_variance, bias_variance)
    return weight_variance * second_moment(activation, q) + bias_variance


def fixed_point(activation: str | Activation, weight_variance: float, bias_variance: float = 0.0) -> float:
    """The q that the q map leaves as it is, and towards which it moves every other.

    Returns
    -------
    float
        0 where the signal dies out (tanh or ReLU with Xavier), ``inf`` where it grows without bound (ELU with
        He), and NaN where every q is a fixed point (ReLU with He).
    """
    variances = {"weight_variance": weight_variance, "bias_variance": bias_variance}
    return _where_one(lambda q: q_map(activation, q, **variances) / q)


def chi(activation: str | Activation, *, weight_variance: float, bias_variance: float = 0.0, q=None):
    """The factor of |delta|^2 per layer, sigma_w^2 E phi'(sqrt(q) Z)^2 (Schoenholz et al. 2017).

    Parameters
    ----------
    activation : str or Activation
    weight_variance, bias_variance : float
        sigma_w^2 = fan_in Var W and sigma_b^2 = Var b. The bias matters for the fixed point only.
    q : float or ndarray, optional
        Variance of the pre-activation; the fixed point if left out (its limit where that is 0 or infinite).

    Returns
    -------
    float or ndarray of q's shape
        Below 1 gradients vanish, above 1 they explode; 1 is the edge of chaos.

    Raises
    ------
    ValueError
        If q or a variance is not finite and at least 0.
    """
    weight_variance, bias_variance = _check_variances(weight_variance, bias_variance)
    if q is None:
        q = fixed_point(activation, weight_variance, bias_variance)
        q = 1.0 if math.isnan(q) else min(q, math.exp(LOG_Q))
    return weight_variance * derivative_second_moment(activation, q)


def critical_point(activation: str | Activation, bias_variance: float = 0.0) -> tuple[float, float]:
    """The edge of chaos: the (weight_variance, q*) at which q* is the fixed point and chi(q*) = 1.

    Without biases q* is 0 for tanh and ELU (the critical gain is that of phi near 0) and NaN for ReLU and
    Leaky ReLU, where every q will do; with biases theirs is infinite.
    """
    phi = activations.activation(activation)
    bias_variance = real_number("bias_variance", bias_variance, minimum=0.0)
    q = _where_one(lambda q: (second_moment(phi, q) / derivative_second_moment(phi, q) + bias_variance) / q)
    at = 1.0 if math.isnan(q) else min(q, math.exp(LOG_Q))
    return 1.0 / derivative_second_moment(phi, at), q


def critical_gain(activation: str | Activation, bias_variance: float = 0.0) -> float:
    """sigma_w at the edge of chaos, where a deep net with weights sigma_w/sqrt(fan_in) keeps its delta."""
    return math.sqrt(critical_point(activation, bias_variance)[0])


@dataclass(frozen=True, eq=False)
class Prediction:
    """What mean-field theory expects of a network with L weight layers, the last of them its output.

    Attributes
    ----------
    log10_delta_ratio : ndarray, shape (L,)
        log10 of the RMS of delta relative to that of the output layer, in the limit of wide layers.
    log10_signal : ndarray, shape (L,)
        log10 of the RMS of the pre-activations.
    variance : ndarray, shape (L,)
        Of ln(|delta_l|^2 / |delta_L|^2) over networks, for one sample, to first order in depth/width: an
        upper bound for a batch.
    slope_variance : float
        Of the slope fitted to that logarithm over the hidden layers.
    depth_over_width : float
        The sum of 1/width over the hidden layers; above ``FIRST_ORDER`` the bands do not hold.
    """

    log10_delta_ratio: np.ndarray
    log10_signal: np.ndarray
    variance: np.ndarray = field(repr=False)
    slope_variance: float = field(repr=False)
    depth_over_width: float

    @property
    def chi(self) -> np.ndarray:
        """The factor of the mean square of delta at each hidden layer, shape (L - 1,)."""
        return 10.0 ** (-2.0 * np.diff(self.log10_delta_ratio))

    @property
    def decades_per_layer(self) -> float:
        """As :attr:`fastgrad.decay.GradientProfile.decades_per_layer`: positive where delta vanishes."""
        return slopes.decades_per_layer(self.log10_delta_ratio)

    @property
    def decades_lost(self) -> float:
        """Decades of delta lost from the last hidden layer to the first."""
        return slopes.decades_lost(self.log10_delta_ratio)

    def mean_band(self, seeds: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """95 % band of the mean of log10_delta_ratio over ``seeds`` networks: (low, high), each (L,).

        The mean of a logarithm lies below the logarithm of the mean: by variance/2 for one sample (ReLU:
        Hanin and Nica 2019), by less for a batch, whose samples average part of the noise. The band covers
        both. Terms of second order in depth/width are left out: 0.03 decades at a depth of half the width.
        """
        spread = Z95 * np.sqrt(self.variance / positive_int("seeds", seeds))
        low, high = -(self.variance / 2 + spread), spread
        return self.log10_delta_ratio + TO_LOG10_RMS * low, self.log10_delta_ratio + TO_LOG10_RMS * high

    def decades_per_layer_band(self, seeds: int = 1) -> tuple[float, float]:
        """95 % band of the mean of decades_per_layer over ``seeds`` networks, shifted as in `mean_band`."""
        spread = Z95 * math.sqrt(self.slope_variance / positive_int("seeds", seeds))
        shift = -float(slopes.weights(self.variance.size - 1) @ self.variance[:-1]) / 2
        low, high = min(shift, 0.0) - spread, max(shift, 0.0) + spread
        return self.decades_per_layer + TO_LOG10_RMS * low, self.decades_per_layer + TO_LOG10_RMS * high

    def in_band(self, decades_per_layer: float, seeds: int = 1) -> str:
        """Whether a mean of so many seeds lies in `decades_per_layer_band`: "yes", "no", "beyond" or "none".

        Beyond: depth/width is above ``FIRST_ORDER``, where the band says nothing. None: there is no slope to fit.
        """
        low, high = self.decades_per_layer_band(seeds)
        if math.isnan(decades_per_layer) or math.isnan(low):
            return "none"
        if self.depth_over_width > FIRST_ORDER:
            return "beyond"
        return "yes" if low <= decades_per_layer <= high else "no"


def predict(
    activation: str | Activation,
    init: str | Initializer,
    sizes: Sequence[int],
    X=None,
    *,
    q0=None,
    bias_std: float | None = None,
) -> Prediction:
    """Mean-field prediction for a network of these sizes on these inputs, by the recursion at finite depth.

    Layers need not be square: forwards the variance is N_l Var W_(l+1) E phi(x_l)^2 + Var b_(l+1), backwards
    the factor is N_(l+1) Var W_(l+1) E phi'(x_l)^2, each layer with its own variances.

    Parameters
    ----------
    activation : str or Activation
    init : str or Initializer
    sizes : sequence of int
        ``[n_in, n_1, ..., n_out]``, at least one hidden layer.
    X : array, shape (batch, n_in), optional
        The inputs; only their mean square per sample enters.
    q0 : float or array, shape (batch,), optional
        That mean square itself, in place of ``X``; 1 if neither is given.
    bias_std : float, optional
        Standard deviation of the biases in place of the initializer's.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        If ``sizes`` has no hidden layer, both ``X`` and ``q0`` are given, or one of them has the wrong shape or is
        not finite.
    TypeError
        If a size is not an integer, or ``X`` or ``q0`` is not real.

    Examples
    --------
    >>> round(predict("relu", "xavier_normal", [64] * 32).decades_per_layer, 4)
    0.1505
    """
    phi, init = activations.activation(activation), initializer(init)
    sizes = layer_sizes(sizes)
    fans = list(pairwise(sizes))
    weight = np.array([init.weight_variance(*fan) for fan in fans])
    if bias_std is None:
        bias = np.array([init.bias_variance(*fan) for fan in fans])
    else:
        bias = np.full(len(fans), real_number("bias_std", bias_std, minimum=0.0) ** 2)
    with np.errstate(divide="ignore"):  # a variance of 0 has the logarithm -inf, and that is what is meant
        log_forward, log_bias = np.log(np.array(sizes[:-1]) * weight), np.log(bias)
        log_backward = np.log(np.array(sizes[1:]) * weight)[1:]
        q, share = _sample_q(X, q0, sizes[0])
        log_q = _log_q(phi, log_forward, log_bias, np.log(q))
        log_factor = log_backward[:, None] + np.log(derivative_second_moment(phi, _clipped(log_q[:-1])))
    log_delta = np.vstack([np.cumsum(log_factor[::-1], axis=0)[::-1], np.zeros_like(log_q[:1])])
    hidden = len(sizes) - 2
    log_signal = _log_mean(log_q, share)
    noise = _noise(phi, log_signal, log_bias[1:], np.array(sizes[1:-1]))
    return Prediction(
        log10_delta_ratio=TO_LOG10_RMS * _log_mean(log_delta, share),
        log10_signal=TO_LOG10_RMS * log_signal,
        variance=np.append(_variance(noise, np.tri(hidden).T), 0.0),
        slope_variance=float(_variance(noise, np.cumsum(slopes.weights(hidden))[None])[0]),
        depth_over_width=float(np.sum(1.0 / np.array(sizes[1:-1]))),
    )


def predict_network(network, X) -> Prediction:
    """:func:`predict` for an MLP as it was initialised, on the inputs ``X``, shape (batch, n_in)."""
    return predict(network.activation, network.initializer, network.sizes, X, bias_std=network.bias_std)


class _Noise(NamedTuple):
    """First-order noise of each hidden layer, arrays of shape (hidden,); ``x_l`` is the deviation of ln q_l.

    x_(l+1) = memory x_l + weight f_l and ln(|delta_l|^2 / |delta_(l+1)|^2) = its mean + response x_l + b_l,
    where f_l and b_l have the variances ``forward`` and ``backward`` and the covariance ``shared``.
    """

    memory: np.ndarray
    weight: np.ndarray
    response: np.ndarray
    backward: np.ndarray
    forward: np.ndarray
    shared: np.ndarray


def _noise(phi, log_q, log_bias, widths):
    """The noise of layers that are averages over N units instead of expectations.

    Relative variances: backward, of mean_i phi'(z_i)^2 g_i^2 with g normal, (3 E phi'^4/(E phi'^2)^2 - 1)/N,
    which is 5/N for ReLU; forward, of mean_i phi(z_i)^2, (E phi^4/(E phi^2)^2 - 1)/N; their covariance.
    memory = d ln q_(l+1)/d ln q_l and response = d ln chi/d ln q_l carry forward noise on, and into delta.
    """
    q = np.exp(np.clip(log_q[:-1], -NOISE_LOG_Q, NOISE_LOG_Q))
    square, slope = second_moment(phi, q), derivative_second_moment(phi, q)
    both = gaussian_mean(lambda x: (value(phi, x) * derivative(phi, x)) ** 2, q)
    growth = gaussian_mean(lambda x: x * value(phi, x) * derivative(phi, x), q) / square
    weight = -np.expm1(log_bias - np.maximum(log_q[1:], -1e300))  # the weights' share of q_(l+1)
    step = 1e-4  # central difference, right to step^2
    up, down = (np.log(derivative_second_moment(phi, q * math.exp(h))) for h in (step, -step))
    return _Noise(
        memory=weight * growth,
        weight=weight,
        response=(up - down) / (2 * step),
        backward=(3 * derivative_fourth_moment(phi, q) / slope**2 - 1) / widths,
        forward=(fourth_moment(phi, q) / square**2 - 1) / widths,
        shared=(both / (slope * square) - 1) / widths,
    )


def _variance(noise, weights):
    """Var of sum_l w_l ln(|delta_l|^2 / |delta_(l+1)|^2) over networks, for each row w of ``weights``."""
    total, onward = np.zeros(len(weights)), np.zeros(len(weights))  # onward: d sum / d x_(l+1)
    for layer in reversed(range(weights.shape[1])):
        w, n = weights[:, layer], _Noise(*(term[layer] for term in noise))
        f = onward * n.weight
        total += w**2 * n.backward + 2 * w * f * n.shared + f**2 * n.forward
        onward = w * n.response + n.memory * onward
    return total


def _log_q(phi, log_forward, log_bias, log_q0):
    """ln q of every layer and sample, shape (L, samples)."""
    log_q = [np.logaddexp(log_forward[0] + log_q0, log_bias[0])]
    for forward, bias in zip(log_forward[1:], log_bias[1:], strict=True):
        log_q.append(np.logaddexp(forward + _log_second_moment(phi, log_q[-1]), bias))
    return np.array(log_q)


def _log_second_moment(phi, log_q):
    """ln E phi^2 for any ln q: linear in it beyond LOG_Q, or constant where phi is bounded, or not 0 at 0."""
    excess = log_q - np.clip(log_q, -LOG_Q, LOG_Q)
    excess = np.where(log_q > 0, excess if phi.facts.far else 0.0, excess if phi.facts.near_zero else 0.0)
    return np.log(second_moment(phi, _clipped(log_q))) + excess


def _clipped(log_q):
    return np.exp(np.clip(log_q, -LOG_Q, LOG_Q))


def _log_mean(log_x, share):
    """ln of the weighted mean over samples, shape (L, samples) -> (L,)."""
    return logsumexp(log_x, axis=1, b=share)


def _sample_q(X, q0, n_in):
    """Mean square of each sample, or of at most REPRESENTATIVES groups of samples, and the share of each."""
    if X is not None and q0 is not None:
        raise ValueError("give X or q0, not both")
    if X is not None:
        with np.errstate(over="ignore"):  # to inf, which is refused
            q = np.square(data_matrix("X", X, (None, n_in), np.float64)).mean(axis=1)
        q = check_q(q, "the mean square of X")
    else:
        q = np.atleast_1d(check_q(1.0 if q0 is None else q0, "q0"))
    if q.ndim > 1 or q.size == 0:
        raise ValueError(f"q0 must be one number or one per sample, got shape {q.shape}")
    groups = np.array_split(np.sort(q), min(q.size, REPRESENTATIVES))
    return np.array([group.mean() for group in groups]), np.array([group.size / q.size for group in groups])


def _where_one(ratio):
    """Where ratio falls through 1; 0 if it starts there or below, inf if it stays above, NaN if upon it."""
    log_q = np.linspace(-LOG_Q, LOG_Q, 47)
    with np.errstate(over="ignore"):  # a ratio beyond float64 is above 1 all the same
        excess = ratio(np.exp(log_q)) - 1.0
    below = np.flatnonzero(excess < -MARGINAL)
    above = np.flatnonzero(excess[: below[0] if below.size else None] > MARGINAL)
    if not above.size:
        return 0.0 if below.size else math.nan
    if not below.size:
        return math.inf
    bracket = log_q[above[-1]], log_q[below[0]]
    return math.exp(brentq(lambda u: math.log(ratio(math.exp(u))), *bracket, xtol=1e-15))


def _check_variances(weight_variance, bias_variance):
    return (
        real_number("weight_variance", weight_variance, minimum=0.0),
        real_number("bias_variance", bias_variance, minimum=0.0),
    )
