"""What the kernels are judged by: mpmath values of the activations, and errors in units in the last place.

Nothing here shares a formula or a line with the package: derivatives are written with cosh, at 40 digits.
"""

from functools import cache

import mpmath
import numpy as np

DIGITS = 40
# More than the largest |log2| of any result, so that e^x and 1 + e^x keep their digits apart.
mpmath.mp.dps = DIGITS


def _elu(z, alpha):
    return z if z > 0 else alpha * mpmath.expm1(z)


def _sigmoid_derivative(z, _):
    return 1 / (2 * mpmath.cosh(z / 2)) ** 2


TEXTBOOK = {
    ("value", "sigmoid"): lambda z, _: 1 / (1 + mpmath.exp(-z)),
    ("value", "tanh"): lambda z, _: mpmath.tanh(z),
    ("value", "relu"): lambda z, _: max(z, mpmath.mpf(0)),
    ("value", "leaky_relu"): lambda z, slope: z if z > 0 else slope * z,
    ("value", "elu"): _elu,
    ("derivative", "sigmoid"): _sigmoid_derivative,
    ("derivative", "tanh"): lambda z, _: 1 / mpmath.cosh(z) ** 2,
    ("derivative", "relu"): lambda z, _: mpmath.mpf(1 if z > 0 else 0),
    ("derivative", "leaky_relu"): lambda z, slope: mpmath.mpf(1) if z > 0 else slope,
    ("derivative", "elu"): lambda z, alpha: mpmath.mpf(1) if z > 0 else alpha * mpmath.exp(z),
}


DEFAULTS = {"leaky_relu": 0.01, "elu": 1.0}  # of those that have a parameter

# What phi(z) and phi'(z) must be, exactly, at the points where floating point is special; p is the parameter.
SPECIAL = {
    "sigmoid": [(np.inf, 1, 0), (-np.inf, 0, 0), (0.0, 0.5, 0.25), (-0.0, 0.5, 0.25)],
    "tanh": [(np.inf, 1, 0), (-np.inf, -1, 0), (0.0, 0.0, 1), (-0.0, -0.0, 1)],
    "relu": [(np.inf, np.inf, 1), (-np.inf, 0, 0), (0.0, 0.0, 0), (-0.0, -0.0, 0)],
    "leaky_relu": [
        (np.inf, np.inf, 1),
        (-np.inf, lambda p: -np.inf if p else 0.0, lambda p: p),
        (0.0, 0.0, lambda p: p),
        (-0.0, -0.0, lambda p: p),
    ],
    "elu": [
        (np.inf, np.inf, 1),
        (-np.inf, lambda p: -p, 0),
        (0.0, 0.0, lambda p: p),
        (-0.0, -0.0, lambda p: p),
    ],
}


def at_default(kind, name):
    """The function of a number of mpmath, at the parameter's default."""
    return lambda z: TEXTBOOK[kind, name](mpmath.mpf(z), DEFAULTS.get(name))


def of_float(kind, name):
    """The same from float to float, which is slow."""
    return lambda z: float(at_default(kind, name)(z))


def exact(kind, name, z, parameter=None):
    """The true result at every element of ``z`` as an unevaluated sum of two float64 arrays (106 bits)."""
    function = TEXTBOOK[kind, name]
    parameter = None if parameter is None else mpmath.mpf(float(parameter))
    high, low = np.empty(z.size), np.empty(z.size)
    for i, number in enumerate(z.astype(np.float64).tolist()):
        true = function(mpmath.mpf(number), parameter)
        high[i] = float(true)
        low[i] = float(true - high[i]) if np.isfinite(high[i]) else 0.0
    return high, low


def spacing(true, dtype):
    """The unit in the last place of ``dtype`` at |true|, the smallest subnormal at the least."""
    info = np.finfo(dtype)
    exponent = np.frexp(np.maximum(np.abs(true), float(info.smallest_normal)))[1] - 1
    return np.ldexp(1.0, np.maximum(exponent - info.nmant, -1074))


def ulp_error(got, exact_pair, dtype):
    """|got - true| in ULPs of ``dtype`` at the true result; NaN where got is NaN, 0 where both overflow."""
    high, low = exact_pair
    got = got.astype(np.float64)
    overflow = np.isinf(got) & (np.abs(high) > float(np.finfo(dtype).max)) & (np.sign(got) == np.sign(high))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = (got - high) - low  # exact or nearly: Sterbenz
        return np.where(overflow, 0.0, np.abs(difference) / spacing(high, dtype))


@cache
def bit_patterns(dtype_name, count, seed=0):
    """Inputs over all exponents and both signs, dense where the functions bend, and every branch point's neighbours."""
    dtype = np.dtype(dtype_name)
    info = np.finfo(dtype)
    rng = np.random.default_rng(seed)
    width = info.bits
    unsigned = np.dtype(f"u{width // 8}")
    patterns = (
        rng.integers(0, 2**width, count // 2, dtype=np.uint64, endpoint=False)
        if width < 64
        else rng.integers(0, 2**64 - 1, count // 2, dtype=np.uint64, endpoint=True)
    )
    anywhere = patterns.astype(unsigned).view(dtype)
    end = 110.0 if width == 32 else 760.0
    bends = rng.uniform(-end, end, count // 4).astype(dtype)
    exponents = np.ldexp(rng.uniform(1, 2, count // 4), rng.integers(-30, 8, count // 4)) * rng.choice(
        [-1, 1], count // 4
    )
    # each binade's ends; the ends of the range reduction's intervals; where results become subnormal or 0
    binades = np.ldexp(1.0, np.arange(int(info.minexp) - int(info.nmant), int(info.maxexp)))
    reductions = (np.arange(0, 1100 if width == 64 else 160) + 0.5) * np.log(2)
    limits = np.array(
        [
            9.011,
            10.0,
            16.64,
            17.33,
            19.06,
            36.74,
            37.43,
            43.67,
            44.0,
            51.98,
            87.34,
            88.0,
            88.72,
            103.98,
            174.0,
            354.2,
            354.9,
            372.9,
            708.4,
            709.8,
            745.13,
            1416.0,
            0.0,
            1.0,
            0.5,
        ]
    )
    points = np.concatenate([binades, reductions, reductions / 2, limits]).astype(dtype)
    points = np.concatenate([points, -points])
    with np.errstate(over="ignore"):
        near = [points, np.nextafter(points, dtype.type(np.inf)), np.nextafter(points, dtype.type(-np.inf))]
    everything = np.concatenate([anywhere, bends, exponents.astype(dtype), *near])
    everything = everything[np.isfinite(everything)]
    everything.flags.writeable = False
    return everything
