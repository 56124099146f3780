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
#         - With e = exp(-|z|) in (0, 1] nothing overflows and nothing cancels: sigmoid and tanh are ratios
#           of e (or expm1) and 1 + e.
#         - A sum or product that is rounded once too often costs an ULP, so 1 + e, its square and expm1 come in
#           two words (``*_low`` is what rounding took) and ``divide`` corrects its quotient by the exact remainder.
#           Numerator and denominator must see the same rounded e: its error then cancels near z = 0, and value
#           and derivative are monotonic over all floats (a more exact e in one of them broke that).
#         - Where e^x is a factor it comes as significand(x) 2^exponent(x), scaled last: 4 e^(-2|z|) is a normal
#           number where e^(-2|z|) is not, and arithmetic on subnormals costs 100 cycles a time. Where it is
#           added to 1 it is ``exp_beside_one``, which stops falling far below the rounding of 1.

# ruff: noqa: F821 - the names below are bound per backend

from types import FunctionType


def sigmoid(z):
    """1 / (1 + e^-z), as 1 / (1 + e) or e / (1 + e) with e = e^-|z|."""
    x = -fabs(z)
    e = exp_beside_one(x)
    d = one + e
    numerator = where(z < zero, significand(x), one)
    quotient = divide(numerator, zero, d, sum_low(one, e), one / d)
    return ldexp(quotient, where(z < zero, exponent(x), zero))


def sigmoid_derivative(z):
    """e / (1 + e)^2 with e = e^-|z|: even, at most 1/4."""
    return bell(one, -fabs(z))


def tanh(z):
    """-m / (2 + m) with m = e^(-2|z|) - 1, and the sign of z."""
    x = -two * fabs(z)
    m = expm1(x)
    m_low = expm1_low(x)
    r = one / (one + exp_beside_one(x))  # about 1 / (2 + m); the derivative has it too
    return copysign(divide(-m, -m_low, two + m, sum_low(two, m) + m_low, r), z)


def tanh_derivative(z):
    """4 e / (1 + e)^2 with e = e^(-2|z|): even, at most 1."""
    return bell(four, -two * fabs(z))


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
    return where(z < zero, alpha * expm1(minimum(zero, z)), z)


def elu_derivative(z, alpha):
    """1 above 0, else alpha e^z."""
    return where(z > zero, one, scaled_exp(alpha, minimum(zero, z)))


def bell(c, x):
    """c e / (1 + e)^2 with e = e^x, x <= 0: the derivative of sigmoid (c = 1) and of tanh (c = 4)."""
    e = exp_beside_one(x)
    d = one + e
    r = one / d
    square = d * d
    square_low = fma(d, d, -square) + two * d * sum_low(one, e)
    return ldexp(divide(c * significand(x), zero, square, square_low, r * r), exponent(x))


def divide(n, n_low, d, d_low, r):
    """(n + n_low) / (d + d_low) where r is about 1 / d: the quotient n r, corrected by its exact remainder."""
    q = n * r
    return fma(fma(-q, d_low, fma(-q, d, n) + n_low), r, q)


def sum_low(a, b):
    """What rounding took from a + b, where |a| >= |b| (Dekker 1971, Fast2Sum)."""
    return (a - (a + b)) + b


# The registry, from the names above: every function here, the activations in their order, (name, default) of the
# parameter of those that have one, and the numbers that formulas use.
FUNCTIONS = {name: f for name, f in list(globals().items()) if isinstance(f, FunctionType)}
VALUES = {name: f for name, f in FUNCTIONS.items() if f"{name}_derivative" in FUNCTIONS}
DERIVATIVES = {name: FUNCTIONS[f"{name}_derivative"] for name in VALUES}
PARAMETERS = {name: (f.__code__.co_varnames[1], f.__defaults__[0]) for name, f in VALUES.items() if f.__defaults__}
CONSTANTS = {name: number for name, number in list(globals().items()) if isinstance(number, float)}
