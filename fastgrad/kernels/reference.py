"""The reference backend: the formulas on NumPy arrays, slow and plain."""

# Design: float16 and float32 are computed in float64 and rounded once, so that this backend is the more accurate one
#         in float32 and can serve as a yardstick for the others; its float64 is as good as NumPy's exp and expm1.
#         A parameter is rounded as the other backends have it, to float32 for either.

import numpy as np

from fastgrad import formulas
from fastgrad._validation import computed_in
from fastgrad.kernels.exponential import CONSTANTS
from fastgrad.kernels.names import bind

PRIMITIVES = {
    **CONSTANTS["f64"],
    "fabs": np.fabs,
    "copysign": np.copysign,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "where": np.where,
    "fma": lambda a, b, c: a * b + c,
    "expm1": np.expm1,
    "significand": np.exp,  # all of e^x: NumPy's is not taken apart
    "p": np.expm1,
    "scaled": lambda a, x: a,
    "scaled_exp": lambda c, x: c * np.exp(x / 2) * np.exp(x / 2),
}
NAMES = bind(PRIMITIVES)
ULP_BOUND = 4.0  # the largest error of value or derivative in units in the last place: NumPy's exp has most of it


def _run(formula, z, parameter, out):
    z = np.asarray(z)
    arguments = [z.astype(np.float64)]
    if parameter is not None:
        arguments.append(np.float64(computed_in(z.dtype).type(parameter)))
    with np.errstate(all="ignore"):
        result = np.asarray(NAMES[formula.__name__](*arguments)).astype(z.dtype)
    if out is None:
        return result
    out[...] = result
    return out


def value(name, z, parameter=None, out=None):
    """phi(z) of the named activation, elementwise."""
    return _run(formulas.VALUES[name], z, parameter, out)


def derivative(name, z, parameter=None, out=None):
    """phi'(z) of the named activation, elementwise."""
    return _run(formulas.DERIVATIVES[name], z, parameter, out)


def value_and_derivative(name, z, parameter=None, out=(None, None)):
    """phi(z) and phi'(z); the two outputs may not overlap z unless they are z."""
    z = np.array(z) if any(o is not None for o in out) else z
    return value(name, z, parameter, out[0]), derivative(name, z, parameter, out[1])
