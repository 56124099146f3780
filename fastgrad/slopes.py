"""A line through log10 delta: decades per layer, decades lost, half-life. One definition for all."""

# Design: - What is measured, what theory predicts, and what PyTorch's hooks see go through the same functions, so
#           that a network has one figure wherever it is shown.
#         - Decades lost is the difference of the ends: what one learning rate meets. Decades per layer is the
#           slope of the least-squares line, never that difference over the number of layers, which the first
#           layers alone can bend: of the .85 decades that tanh + Xavier loses over 50 layers by theory, .37 are
#           lost in the first five. That is .017 per layer from end to end and .012 along the line, which is nearer
#           to what one more layer costs (.004).
#         - The noise of delta is a random walk over the layers, for which the slope of the line has 6/5 of the
#           variance of the slope through the ends. That is its price, and the band of finite_width.py includes it.

import functools
import math

import numpy as np

_LOG10_2 = math.log10(2.0)


def decades_per_layer(log10_delta):
    """Least-squares slope of log10 delta over the hidden layers (all but the last entry), per layer.

    ``log10_delta`` has shape (..., L), the output layer last; a float, or an array of shape (...). Positive where delta
    vanishes towards the input; inf where it is exactly 0 at some layers but not at the last hidden one; NaN where there
    is one hidden layer only or nothing to fit.
    """
    hidden = np.asarray(log10_delta)[..., :-1]
    with np.errstate(invalid="ignore"):
        slope = line(hidden)
    if np.isfinite(slope).all() and hidden.shape[-1] > 1:
        return slope
    nothing = np.isnan(hidden).any(-1) | (hidden[..., -1:] == -math.inf).any(-1) | (hidden.shape[-1] < 2)
    return scalar(np.where(np.isfinite(slope) & ~nothing, slope, np.where(nothing, math.nan, math.inf)))


def decades_lost(log10_delta):
    """Decades between the delta of the last hidden layer and that of the first; NaN if the last is exactly 0.

    A float, or for an array of shape (..., L) one of shape (...).
    """
    log10_delta = np.asarray(log10_delta)
    first, last = log10_delta[..., 0], log10_delta[..., -2]
    with np.errstate(invalid="ignore"):
        return scalar(np.where(last > -math.inf, last - first, math.nan))


def half_life(decades_per_layer: float) -> float:
    """Layers in which delta halves: ``log10(2) / decades_per_layer``, inf where nothing decays."""
    return math.inf if decades_per_layer <= 0 else _LOG10_2 / decades_per_layer


def depth_of(decades: float, decades_per_layer: float) -> float:
    """Hidden layers over which delta changes by so many decades, up or down; inf where it does not change."""
    return math.inf if decades_per_layer == 0 else 1 + decades / abs(decades_per_layer)


def line(values):
    """Slope of the least-squares line through finite values, shape (..., n), per index: a float or shape (...)."""
    return scalar(np.einsum("...i,i->...", values, weights(values.shape[-1])))


def scalar(found):
    """A number for an array of no dimensions."""
    return found if found.ndim else found.item()


@functools.lru_cache(maxsize=64)
def weights(n: int) -> np.ndarray:
    """The w, shape (n,), for which ``w @ y`` is the least-squares slope of y per index; 0 if n is 1."""
    centred = np.arange(n) - (n - 1) / 2
    slope = centred / (centred @ centred) if n > 1 else centred
    slope.setflags(write=False)
    return slope
