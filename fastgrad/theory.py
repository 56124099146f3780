"""Mean-field theory of a network at its initialisation: the variance of its signal and the factor of its delta.

In wide layers with Var W = sigma_w^2 / fan_in and Var b = sigma_b^2 pre-activations are Normal(0, q), and::

    q_(l+1) = sigma_w^2 E phi(x_l)^2 + sigma_b^2, x_l ~ Normal(0, q_l)               (forward)
    |delta_l|^2 = chi(q_l) |delta_(l+1)|^2, chi(q_l) = sigma_w^2 E phi'(x_l)^2       (backward, square layers)

Below, ``weight_variance`` is sigma_w^2 = fan_in Var W, and ``bias_variance`` is sigma_b^2. prediction.py runs the two
through a network of given sizes, and finite_width.py says how far one may deviate.

References
----------
Glorot and Bengio 2010, equations 5 and 6; He et al. 2015, equations 9 and 13; Poole et al. 2016 (the q
map); Schoenholz et al. 2017 (chi and its depth scale); Hanin and Nica 2019 (finite width).
"""

import math

import numpy as np
from scipy.optimize import brentq

from fastgrad import activations
from fastgrad._validation import real_number
from fastgrad.activations import Activation
from fastgrad.moments import derivative_second_moment, second_moment
from fastgrad.prediction import LOG_Q, Prediction, predict, predict_network

__all__ = [
    "Prediction", "chi", "critical_gain", "critical_point", "fixed_point", "predict", "predict_network", "q_map",
]  # fmt: skip

MARGINAL = 1e-13  # a growth of q this near to 1 is 1: twenty roundings of a moment


def q_map(activation: str | Activation, q, *, weight_variance: float, bias_variance: float = 0.0):
    """The variance of the pre-activations one layer on (Poole et al. 2016).

    Parameters
    ----------
    activation : str or Activation
    q : float or array_like
        Variance of the pre-activations, of any shape, finite and at least 0.
    weight_variance, bias_variance : float
        sigma_w^2 = fan_in Var W and sigma_b^2 = Var b.

    Returns
    -------
    float or ndarray of q's shape

    Raises
    ------
    ValueError
        If the activation is unknown, or q or a variance is not finite and at least 0.
    TypeError
        If q or a variance is not real.
    """
    weight_variance, bias_variance = _check_variances(weight_variance, bias_variance)
    return weight_variance * second_moment(activation, q) + bias_variance


def fixed_point(activation: str | Activation, weight_variance: float, bias_variance: float = 0.0) -> float:
    """The fixed point of the q map, towards which it moves every other q.

    Parameters
    ----------
    activation : str or Activation
    weight_variance, bias_variance : float
        sigma_w^2 = fan_in Var W and sigma_b^2 = Var b.

    Returns
    -------
    float
        0 where the signal dies out (tanh or ReLU with Xavier), ``inf`` where it grows without bound (ELU with
        He), and NaN where every q is a fixed point (ReLU with He).

    Raises
    ------
    ValueError
        If the activation is unknown, or a variance is not finite and at least 0.
    TypeError
        If a variance is not real.
    """
    variances = {"weight_variance": weight_variance, "bias_variance": bias_variance}
    return _where_one(lambda q: q_map(activation, q, **variances) / q)


def chi(activation: str | Activation, *, weight_variance: float, bias_variance: float = 0.0, q=None):
    """The factor of ``|delta|^2`` per layer, sigma_w^2 E phi'(sqrt(q) Z)^2 (Schoenholz et al. 2017).

    Parameters
    ----------
    activation : str or Activation
    weight_variance, bias_variance : float
        As for :func:`q_map`. The bias matters for the fixed point only.
    q : float or ndarray, optional
        Variance of the pre-activation; the fixed point if left out (its limit where that is 0 or infinite).

    Returns
    -------
    float or ndarray of q's shape
        Below 1 gradients vanish, above 1 they explode; 1 is the edge of chaos.

    Raises
    ------
    ValueError
        If the activation is unknown, or q or a variance is not finite and at least 0.
    TypeError
        If q or a variance is not real.
    """
    weight_variance, bias_variance = _check_variances(weight_variance, bias_variance)
    if q is None:
        q = fixed_point(activation, weight_variance, bias_variance)
        q = 1.0 if math.isnan(q) else min(q, math.exp(LOG_Q))
    return weight_variance * derivative_second_moment(activation, q)


def critical_point(activation: str | Activation, bias_variance: float = 0.0) -> tuple[float, float]:
    """The edge of chaos: the (weight_variance, q*) at which q* is the fixed point and chi(q*) = 1.

    Parameters
    ----------
    activation : str or Activation
    bias_variance : float
        sigma_b^2 = Var b.

    Returns
    -------
    weight_variance : float
        sigma_w^2 = fan_in Var W.
    q : float
        The fixed point. Without biases it is 0 for tanh and ELU (the critical gain is that of phi near 0) and NaN for
        ReLU and Leaky ReLU, where every q will do; with biases theirs is infinite.

    Raises
    ------
    ValueError
        If the activation is unknown, or the variance is not finite and at least 0.
    TypeError
        If the variance is not real.
    """
    phi = activations.activation(activation)
    bias_variance = real_number("bias_variance", bias_variance, minimum=0.0)
    q = _where_one(lambda q: (second_moment(phi, q) / derivative_second_moment(phi, q) + bias_variance) / q)
    at = 1.0 if math.isnan(q) else min(q, math.exp(LOG_Q))
    return 1.0 / derivative_second_moment(phi, at), q


def critical_gain(activation: str | Activation, bias_variance: float = 0.0) -> float:
    """The sigma_w at the edge of chaos: a deep network with Var W = sigma_w^2/fan_in keeps the size of its delta.

    Parameters
    ----------
    activation : str or Activation
    bias_variance : float
        sigma_b^2 = Var b.

    Returns
    -------
    float
        The root of the weight variance of :func:`critical_point`, which also lists the errors.
    """
    return math.sqrt(critical_point(activation, bias_variance)[0])


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
