"""The errors of the kernels in float32, against textbook formulas that stand here and not in the package."""

# Design: A commit that changes a kernel together with the package's own truth is still judged by these.

from functools import cache

import numpy as np

import fastgrad

from .common import ACTIVATIONS

STRIDE = 4099  # a prime: every 4099th magnitude, each with both signs
INFINITY_BITS = 0x7F800000
LEAST, NORMAL = 2.0**-149, 2.0**-126  # the smallest number of float32, and the smallest that is normal


def _rounded(parameter):
    """As float32 has it."""
    return np.float64(np.float32(parameter))


def _twice(z):
    """(e, 1 + e) with e = exp(-2|z|), which never overflows."""
    e = np.exp(-2 * np.abs(z))
    return e, 1 + e


def _tanh_derivative(z):
    e, one_more = _twice(z)
    return 4 * e / one_more**2


def _sigmoid(z):
    e, one_more = _twice(z / 2)
    return np.where(z < 0, e, 1) / one_more


TEXTBOOK = {
    "sigmoid": (_sigmoid, lambda z: _tanh_derivative(z / 2) / 4),
    "tanh": (np.tanh, _tanh_derivative),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (
        lambda z, negative_slope=0.01: np.where(z < 0, _rounded(negative_slope) * z, z),
        lambda z, negative_slope=0.01: np.where(z > 0, 1, _rounded(negative_slope)),
    ),
    "elu": (
        lambda z, alpha=1.0: np.where(z < 0, _rounded(alpha) * np.expm1(np.minimum(z, 0)), z),
        lambda z, alpha=1.0: np.where(z > 0, 1, _rounded(alpha) * np.exp(np.minimum(z, 0))),
    ),
}


class Errors:
    version = "1"
    timeout = 300
    gate = True
    params = (tuple(ACTIVATIONS), ("value", "derivative"))
    param_names = ("activation", "kind")

    def track_max_ulp(self, activation, kind):
        return _errors(activation, kind)[0]

    track_max_ulp.unit = "ULP"
    track_max_ulp.gate_tolerance = 0.05

    def track_false_zeros(self, activation, kind):
        return _errors(activation, kind)[1]

    track_false_zeros.unit = "false zeros"
    track_false_zeros.gate_tolerance = 0

    def track_wrong_steps(self, activation, kind):
        return _errors(activation, kind)[2]

    track_wrong_steps.unit = "steps the wrong way, and NaN"
    track_wrong_steps.gate_tolerance = 0


@cache
def _errors(activation, kind):
    """(largest error in ULP, zeros where the true result is normal, steps the wrong way and results that are NaN)."""
    name, parameter = ACTIVATIONS[activation]
    positive = np.arange(0, INFINITY_BITS, STRIDE, dtype=np.uint32).view(np.float32)
    z = np.concatenate([-positive[:0:-1], positive])
    if kind == "derivative":
        z = z[z != 0]  # there the derivative of three of them is a convention
    kernel = getattr(fastgrad, name if kind == "value" else f"{name}_derivative")
    with np.errstate(all="ignore"):
        got = kernel(z, **parameter).astype(np.float64)
        true = TEXTBOOK[name][kind == "derivative"](z.astype(np.float64), **parameter)
        ulp = np.maximum(np.ldexp(1.0, np.frexp(true)[1] - 24), LEAST)
        error = np.abs(got - true) / ulp
        wrong = np.diff(got) * np.sign(np.diff(true)) < 0
    zeros = (got == 0) & (np.abs(true) >= NORMAL)
    lost = np.isnan(got)
    return float(np.where(lost, np.inf, error).max()), int(zeros.sum()), int(wrong.sum() + lost.sum())
