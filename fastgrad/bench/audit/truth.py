"""The true value and derivative of the activations at float32 inputs, and the shape of each function."""

# Design: - float64 NumPy with the textbook formulas of activations.FACTS, derivatives by cosh: nothing there shares
#           code with the kernels, and it is right to 1e-8 of a float32 ULP.
#         - In blocks: the temporaries of larger arrays are handed back to the system and faulted in again, which
#           takes three times as long as the arithmetic.

from collections.abc import Callable

import numpy as np

from fastgrad.activations import Activation, activation

BLOCK = 1 << 13


def in_blocks(function: Callable[[np.ndarray], np.ndarray], z: np.ndarray, dtype) -> np.ndarray:
    """``function(z)``, a block at a time."""
    out = np.empty(z.size, dtype)
    for start in range(0, z.size, BLOCK):
        out[start : start + BLOCK] = function(z[start : start + BLOCK])
    return out


def true(kind: str, phi: str | Activation, z: np.ndarray, parameter: float | None) -> np.ndarray:
    """The true results for float32 inputs.

    Parameters
    ----------
    kind : str
        ``"value"`` or ``"derivative"``.
    phi : str or Activation
        The activation.
    z : ndarray of float32
        Inputs.
    parameter : float or None
        The slope or alpha, as float32 has it.

    Returns
    -------
    ndarray of float64
        Infinite where float32 cannot hold them; NaN where the derivative is a convention, on which libraries differ.
    """
    textbook = getattr(Activation(activation(phi).name, parameter).facts, kind)
    with np.errstate(all="ignore"):
        return in_blocks(lambda block: _in_range(textbook(block.astype(np.float64))), z, np.float64)


def _in_range(true):
    """float64 numbers, infinite where they round to infinity in float32."""
    rounded = true.astype(np.float32)
    return np.where(np.isinf(rounded), rounded, true)


def shape(kind: str, phi: str | Activation) -> tuple[int, int, int, float, float]:
    """How the function goes as |z| grows, its symmetry and its range.

    Parameters
    ----------
    kind : str
        ``"value"`` or ``"derivative"``.
    phi : str or Activation
        The activation.

    Returns
    -------
    up : int
        For z > 0 1 if it does not fall as |z| grows, -1 if it does not rise.
    down : int
        The same for z < 0.
    symmetry : int
        1 if it is even, -1 if it is odd, else 0.
    low : float
        The lower end of its range, as float32 has it.
    high : float
        The upper end.
    """
    facts = activation(phi).facts
    if kind == "value":
        low, high = facts.range
        return 1, -1, -1 if facts.symmetry == "odd" else 0, float(np.float32(low)), float(np.float32(high))
    above = -1 if facts.saturates == "both" else 1
    return above, -1, 0 if facts.symmetry == "none" else 1, 0.0, float(np.float32(facts.derivative_bound))
