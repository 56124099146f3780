"""Value and derivative of each activation as functions of the pre-activation z.

This page is the only place where these formulas are written. NumPy and Numba run the functions below with
their own elementary functions, and the build prints them as C (``kernels/as_c.py``), so they keep to a
subset that all three read the same way: names, calls, ``+ - * /``, comparisons, straight-line assignments
and one return. A number that a formula needs is a float assigned to a name here, in lower case.

An activation is a pair ``name`` and ``name_derivative``; the default of its parameter stands in the first one's
signature. A new pair goes behind the others, since its place is its number in abi.h, and its facts into
activations.py.

Defined behaviour, everywhere: NaN stays NaN in value and derivative; infinities give the limits; every
activation that is 0 at 0 keeps the sign of zero. At the kink ReLU's derivative is 0, Leaky ReLU's is its
slope and ELU's is alpha (the derivative from the left).
"""

# Design: - A derivative is a function of z, never of the rounded output y. ``1 - y*y`` is 0 in float32 from
#           |z| = 9.02, where tanh'(z) is 5.9e-8 and stays a normal number until |z| = 44.
#         - With e = exp(-|z|) in (0, 1] nothing overflows and nothing cancels. Value and derivative share one quotient
#           over 1 + e, which is corrected by its exact remainder: 1 + e is never rounded in it. The derivative is then
#           one multiply-add: h - h^2 of sigmoid's tail h, 1 - t^2 of a small tanh t, 2q - q^2 of q = 1 - tanh.
#         - Numerator and denominator must see the same rounded e: its error then cancels near z = 0, and values
#           are monotonic over all floats (a more exact e in one of them broke that).
#         - What becomes subnormal is rounded once, as the last step or where only exact steps follow.

# ruff: noqa: F821 - the names below are bound per backend

from types import FunctionType


def sigmoid(z):
    """1 / (1 + e^-z): h below 0 and 1 - h above, where h = sigmoid(-|z|)."""
    h = sigmoid_tail(z)
    return where(z < zero, h, one - h)


def sigmoid_derivative(z):
    """h - h^2, where h = sigmoid(-|z|): even, at most 1/4."""
    h = sigmoid_tail(z)
    return fma(-h, h, h)


def tanh(z):
    """t where |z| is small and 1 - q where it is large, with the sign of z; see ``tanh_part``."""
    part = tanh_part(z)
    return copysign(where(minus_twice(z) < tanh_split, one - part, part), z)


def tanh_derivative(z):
    """1 - t^2 where |z| is small and 2q - q^2 where it is large: even, at most 1."""
    part = tanh_part(z)
    return fma(-part, part, where(minus_twice(z) < tanh_split, part + part, one))


def relu(z):
    """max(z, 0)."""
    return where(z < zero, zero, z)


def relu_derivative(z):
    """1 above 0, else 0."""
    return where(z > zero, one, where(z <= zero, zero, z))


def leaky_relu(z, negative_slope=0.01):
    """z above 0, negative_slope * z below (Maas et al. 2013); a slope of 0 gives 0 even at -inf."""
    below = where(negative_slope > zero, negative_slope * z, zero)
    return where(z < zero, below, z)


def leaky_relu_derivative(z, negative_slope):
    """1 above 0, else negative_slope."""
    return where(z > zero, one, where(z <= zero, negative_slope, z))


def elu(z, alpha=1.0):
    """z above 0, alpha (e^z - 1) below (Clevert et al. 2016, equation 15)."""
    return where(z < zero, alpha * expm1(maximum(lowest, minimum(zero, z))), z)


def elu_derivative(z, alpha):
    """1 above 0, else alpha e^z."""
    return where(z > zero, one, scaled_exp(alpha, maximum(lowest, minimum(zero, z))))


def sigmoid_tail(z):
    """sigmoid(-|z|) = e / (1 + e) with e = e^-|z|."""
    x = maximum(faintest, -fabs(z))
    e = scaled(significand(x), x)
    return over_one_plus(e, e)


tanh_split = -1.1  # of -2 |z|: at tanh = 1/2, where 1 - q begins to be as exact as t


def minus_twice(z):
    """-2 |z|."""
    return maximum(faintest, -fabs(z + z))


def tanh_part(z):
    """t = tanh|z| where |z| is small, and q = 1 - t where it is large.

    t = (1 - e) / (1 + e) and q = 2 e / (1 + e) with e = e^(-2|z|) = s (1 + p), s a power of two. 2 e is not e + e,
    which doubles what e was rounded by where it is subnormal.
    """
    x = minus_twice(z)
    s = scaled(one, x)
    f = significand(x)
    e2 = scaled(f + f, x)
    small = fma(-s, p(x), one - s)
    return over_one_plus(where(x < tanh_split, e2, small), half * e2)


def over_one_plus(n, e):
    """n / (1 + e) for 0 <= e <= 1: a quotient corrected by its remainder, in which n - q and 1 + e are exact."""
    r = one / (one + e)
    q = n * r
    return fma(fma(-q, e, n - q), r, q)


# The registry, from the names above: every function here, the activations in their order, (name, default) of the
# parameter of those that have one, and the numbers that formulas use.
FUNCTIONS = {name: f for name, f in list(globals().items()) if isinstance(f, FunctionType)}
VALUES = {name: f for name, f in FUNCTIONS.items() if f"{name}_derivative" in FUNCTIONS}
DERIVATIVES = {name: FUNCTIONS[f"{name}_derivative"] for name in VALUES}
PARAMETERS = {name: (f.__code__.co_varnames[1], f.__defaults__[0]) for name, f in VALUES.items() if f.__defaults__}
CONSTANTS = {name: number for name, number in list(globals().items()) if isinstance(number, float)}
