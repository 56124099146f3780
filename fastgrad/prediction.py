"""Prediction: the signal and delta of every layer by mean-field theory, with the band that finite width allows."""

# Design: - Logarithms throughout: at depth 1000 q and |delta|^2 leave the float range. Beyond ``LOG_Q`` an
#           activation equals its limit (linear, half-linear or constant) to rounding: q is clipped there
#           and the rest is algebra.
#         - The recursion at finite depth, never the fixed point: tanh + Xavier has chi = 1 at its fixed
#           point, and 0.46 in its first layer.
#         - One q per sample, |delta|^2 averaged over samples, all of the same weight (at initialisation
#           their shares of the output delta are all but equal, and unknown before the pass). Batches are
#           cut to ``REPRESENTATIVES`` groups by q: the recursion contracts the spread where phi saturates,
#           and ReLU's chi ignores it.
#         - What finite width adds, the band, is finite_width.py's.

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.special import logsumexp

from fastgrad import activations, finite_width, slopes
from fastgrad._validation import data_matrix, layer_sizes, real_number
from fastgrad.activations import Activation
from fastgrad.finite_width import FIRST_ORDER, TO_LOG10_RMS
from fastgrad.initializers import Initializer, initializer
from fastgrad.moments import check_q, derivative_second_moment, second_moment

LOG_Q = 460.0  # |ln q| beyond this (1e200) is left to the limit of phi
REPRESENTATIVES = 8


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
        Of ``ln(|delta_l|^2 / |delta_L|^2)`` over networks, for one sample, to first order in depth/width: an
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
        """As :attr:`fastgrad.GradientProfile.decades_per_layer`: positive where delta vanishes."""
        return slopes.decades_per_layer(self.log10_delta_ratio)

    @property
    def decades_lost(self) -> float:
        """Decades of delta lost from the last hidden layer to the first."""
        return slopes.decades_lost(self.log10_delta_ratio)

    def mean_band(self, seeds: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """95 % band of the mean of log10_delta_ratio over networks.

        What it covers and what it leaves out: ``fastgrad.finite_width.band``.

        Parameters
        ----------
        seeds : int
            How many networks the mean is over.

        Returns
        -------
        low, high : ndarray, shape (L,)

        Raises
        ------
        ValueError
            If ``seeds`` is below 1.
        TypeError
            If it is not an integer.
        """
        return finite_width.band(self.log10_delta_ratio, self.variance, -self.variance / 2, seeds)

    def decades_per_layer_band(self, seeds: int = 1) -> tuple[float, float]:
        """95 % band of the mean of decades_per_layer over networks.

        Parameters and errors as in :meth:`mean_band`.

        Returns
        -------
        low, high : float
        """
        shift = -(slopes.weights(self.variance.size - 1) @ self.variance[:-1]) / 2
        low, high = finite_width.band(self.decades_per_layer, self.slope_variance, shift, seeds)
        return float(low), float(high)

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
    noise = finite_width.noise(phi, log_signal, log_bias[1:], np.array(sizes[1:-1]))
    return Prediction(
        log10_delta_ratio=TO_LOG10_RMS * _log_mean(log_delta, share),
        log10_signal=TO_LOG10_RMS * log_signal,
        variance=np.append(finite_width.variance_of_delta(noise), 0.0),
        slope_variance=finite_width.variance_of_sum(noise, np.cumsum(slopes.weights(hidden))),
        depth_over_width=float(np.sum(1.0 / np.array(sizes[1:-1]))),
    )


def predict_network(network, X) -> Prediction:
    """The prediction of :func:`predict` for a network as it was initialised.

    Parameters
    ----------
    network : MLP
    X : array_like, shape (batch, n_in)
        The inputs; only their mean square per sample enters.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        If ``X`` has the wrong shape or is not finite.
    TypeError
        If ``X`` is not real.
    """
    return predict(network.activation, network.initializer, network.sizes, X, bias_std=network.bias_std)


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
