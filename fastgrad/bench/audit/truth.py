"""The true value and derivative of the five activations at float32 inputs, and the shape of each function."""

# Design: - float64 NumPy and SciPy with textbook formulas, derivatives by cosh: nothing here shares code with the
#           kernels, and it is right to 1e-8 of a float32 ULP.
#         - In blocks: the temporaries of larger arrays are handed back to the system and faulted in again, which
#           takes three times as long as the arithmetic.

import math
from collections.abc import Callable

import numpy as np

BLOCK = 1 << 13


def in_blocks(function: Callable[[np.ndarray], np.ndarray], z: np.ndarray, dtype) -> np.ndarray:
    """``function(z)``, a block at a time."""
    out = np.empty(z.size, dtype)
    for start in range(0, z.size, BLOCK):
        out[start : start + BLOCK] = function(z[start : start + BLOCK])
    return out


def true(kind: str, name: str, z: np.ndarray, parameter: float | None) -> np.ndarray:
    """The true results for float32 inputs, in float64; ``parameter`` is the slope or alpha, as float32 has it."""
    formula = TEXTBOOK[kind, name]
    with np.errstate(all="ignore"):
        return in_blocks(lambda block: formula(block.astype(np.float64), parameter), z, np.float64)


def _sigmoid(z, _):
    from scipy.special import expit

    return expit(z)


def _kinked(z, slope):
    """NaN at 0: there the derivative is a convention, on which libraries differ."""
    return np.where(z > 0, 1.0, np.where(z < 0, slope, np.nan))


TEXTBOOK = {
    ("value", "sigmoid"): _sigmoid,
    ("value", "tanh"): lambda z, _: np.tanh(z),
    ("value", "relu"): lambda z, _: np.maximum(z, 0),
    ("value", "leaky_relu"): lambda z, slope: np.where(z > 0, z, slope * z),
    ("value", "elu"): lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
    ("derivative", "sigmoid"): lambda z, _: 0.25 / np.cosh(z / 2) ** 2,
    ("derivative", "tanh"): lambda z, _: 1 / np.cosh(z) ** 2,
    ("derivative", "relu"): lambda z, _: _kinked(z, 0.0),
    ("derivative", "leaky_relu"): lambda z, slope: _kinked(z, slope),
    ("derivative", "elu"): lambda z, alpha: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
}

# What the function does as |z| grows, for z > 0 and for z < 0 (1 does not fall, -1 does not rise); 1 if it is even,
# -1 if it is odd; the ends of its range, at the default parameters.
SHAPES = {
    ("value", "sigmoid"): (1, -1, 0, 0.0, 1.0),
    ("value", "tanh"): (1, -1, -1, -1.0, 1.0),
    ("value", "relu"): (1, -1, 0, 0.0, math.inf),
    ("value", "leaky_relu"): (1, -1, 0, -math.inf, math.inf),
    ("value", "elu"): (1, -1, 0, -1.0, math.inf),
    ("derivative", "sigmoid"): (-1, -1, 1, 0.0, 0.25),
    ("derivative", "tanh"): (-1, -1, 1, 0.0, 1.0),
    ("derivative", "relu"): (1, -1, 0, 0.0, 1.0),
    ("derivative", "leaky_relu"): (1, -1, 0, 0.0, 1.0),
    ("derivative", "elu"): (1, -1, 0, 0.0, 1.0),
}
