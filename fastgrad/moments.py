"""Gaussian moments of an activation: E phi(x)^2, E phi'(x)^2 and fourth moments for x ~ Normal(0, q)."""

# Design: - What is piecewise linear (``Facts.near_zero`` without an end) and ELU have closed forms; the others are
#           integrated. One substitution serves every q: with z = sinh(t)/max(sqrt q, 1) the features of phi (width
#           1/sqrt q) and of the Gaussian (width 1) are both of order 1 in t, so that 64 Gauss-Legendre nodes a side are
#           right to 1e-13 from q = 0 to 1e6, to 1e-11 at 1e12 and 1e-9 at 1e20, from where on the range of t is cut
#           in panels. Gauss-Hermite's nodes lie in z and miss the narrow bell of phi'.
#         - The two sides are integrated apart, so that ELU's kink at 0 is no concern.
#         - ELU: E[e^(kx); x < 0] = erfcx(k u) / 2 with u = sqrt(q / 2), which does not overflow. At small u
#           E phi^2 cancels to second order, and erfcx's power series takes over.

import math
from functools import cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import erfcx, gamma

from fastgrad import activations
from fastgrad._validation import real_array
from fastgrad.activations import Activation, Line

SIGMAS = 9.0  # the Gaussian mass beyond is 2e-19
PANEL = 26.0  # the range of t that 64 nodes serve: q = 1e20

SMALL_U = 0.25  # below: the series, 30 terms of it
_POWERS = np.arange(2, 32)
_ELU_SERIES = (-1.0) ** _POWERS * (2.0**_POWERS - 2.0) / gamma(_POWERS / 2 + 1)


def second_moment(activation: str | Activation, q):
    """E phi(x)^2 for x ~ Normal(0, q).

    Parameters
    ----------
    activation : str or Activation
    q : float or ndarray
        Variance of the pre-activation, finite and at least 0.

    Returns
    -------
    float or ndarray of q's shape

    Raises
    ------
    ValueError
        If q is negative, infinite or NaN.
    TypeError
        If q is not real.
    """
    phi, q = activations.activation(activation), check_q(q)
    if line := _everywhere(phi):
        return _plain((line.right**2 + line.left**2) / 2 * q)
    if phi.name == "elu":
        return _plain(q / 2 + phi.parameter**2 * _elu_below(q))  # type: ignore[operator]
    return gaussian_mean(lambda x: value(phi, x) ** 2, q)


def fourth_moment(activation: str | Activation, q):
    """E phi(x)^4 for x ~ Normal(0, q). Parameters and errors as in :func:`second_moment`."""
    phi = activations.activation(activation)
    return gaussian_mean(lambda x: value(phi, x) ** 4, q)


def derivative_second_moment(activation: str | Activation, q):
    """E phi'(x)^2 for x ~ Normal(0, q): what one activation does to the mean square of delta.

    Parameters and errors as in :func:`second_moment`.
    """
    return _derivative_moment(activations.activation(activation), check_q(q), 2)


def derivative_fourth_moment(activation: str | Activation, q):
    """E phi'(x)^4 for x ~ Normal(0, q). Parameters and errors as in :func:`second_moment`."""
    return _derivative_moment(activations.activation(activation), check_q(q), 4)


def gaussian_mean(f, q):
    """E f(x) for x ~ Normal(0, q), where f takes arrays and is smooth on each side of 0."""
    q = check_q(q)
    s = np.sqrt(q)[..., None]
    scale = np.maximum(s, 1.0)
    reach = np.arcsinh(SIGMAS * scale)
    nodes, weights = _rule(math.ceil(reach.max(initial=0.0) / PANEL))
    t = reach * nodes
    z = np.sinh(t) / scale
    density = reach * weights * np.cosh(t) / scale * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return _plain((f(s * z) * density).sum(axis=-1))


@cache
def _rule(panels):
    """Gauss-Legendre nodes and weights on (-1, 0) and (0, 1), each cut in so many panels."""
    x, w = leggauss(64)
    nodes = np.concatenate([(x + 1) / 2 + panel for panel in range(panels)]) / panels
    weights = np.tile(w / 2, panels) / panels
    return np.append(-nodes, nodes), np.append(weights, weights)


def value(phi: Activation, x):
    """phi(x) by the NumPy backend, so that theory needs no compiled code."""
    return phi(x, backend="numpy")


def derivative(phi: Activation, x):
    """phi'(x) by the NumPy backend."""
    return phi.derivative(x, backend="numpy")


def _derivative_moment(phi, q, power):
    if line := _everywhere(phi):
        return _plain(np.full(q.shape, (line.right**power + line.left**power) / 2))
    if phi.name == "elu":
        return _plain(0.5 + phi.parameter**power * erfcx(power * np.sqrt(q / 2)) / 2)
    return gaussian_mean(lambda x: derivative(phi, x) ** power, q)


def _everywhere(phi) -> Line | None:
    """The two slopes of an activation that is piecewise linear with its only kink at 0."""
    line = phi.facts.near_zero
    return line if line and line.scale == math.inf else None


def _elu_below(q):
    """E[(e^x - 1)^2; x < 0] = (erfcx(2u) - 2 erfcx(u) + 1) / 2, u = sqrt(q / 2)."""
    u = np.sqrt(q / 2)
    small = np.minimum(u, SMALL_U)
    series = small**2 * np.polynomial.polynomial.polyval(small, _ELU_SERIES)
    return np.where(u < SMALL_U, series, erfcx(2 * u) - 2 * erfcx(u) + 1) / 2


def check_q(q, name="q"):
    """``q`` as a float64 array; TypeError unless real, ValueError unless finite and at least 0."""
    q = real_array(name, q, np.float64)
    bad = ~(np.isfinite(q) & (q >= 0))
    if bad.any():
        raise ValueError(f"{name} must be finite and at least 0, got {q[bad].flat[0]}")
    return q


def _plain(x):
    """A 0-d array as a float."""
    return x if np.ndim(x) else float(x)
