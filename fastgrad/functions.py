"""The activations and their derivatives as NumPy-native functions, on the compiled kernels."""

# Design: sigmoid, tanh and relu are NumPy ufuncs themselves, not functions around them, so ``out=``, ``where=``,
#         broadcasting, strides and ``__array_ufunc__`` (pandas, xarray, dask) are NumPy's own and a call
#         costs what np.negative costs. Leaky ReLU and ELU check their parameter and then call one.
#         - float16 is computed in float32, the parameter too, and rounded once: within 0.501 ULP of the true result.

import numpy as np

from fastgrad import formulas
from fastgrad.activations import Activation, activation, check_parameter
from fastgrad.kernels.compiled import UFUNCS

sigmoid = UFUNCS["value", "sigmoid"]
tanh = UFUNCS["value", "tanh"]
relu = UFUNCS["value", "relu"]
sigmoid_derivative = UFUNCS["derivative", "sigmoid"]
tanh_derivative = UFUNCS["derivative", "tanh"]
relu_derivative = UFUNCS["derivative", "relu"]

# With the parameter left at its default these are called; `is` costs nothing and a miss only costs time.
_SLOPE = formulas.PARAMETERS["leaky_relu"][1]
_ALPHA = formulas.PARAMETERS["elu"][1]
_leaky_relu = UFUNCS["value", "leaky_relu", "default"]
_leaky_relu_derivative = UFUNCS["derivative", "leaky_relu", "default"]
_elu = UFUNCS["value", "elu", "default"]
_elu_derivative = UFUNCS["derivative", "elu", "default"]


def leaky_relu(x, negative_slope: float = _SLOPE, out=None, **kwargs) -> np.ndarray:
    """x above 0, negative_slope * x below.

    Parameters
    ----------
    x : array_like
        float16, float32 and float64 keep their type, other real types go to float64.
    negative_slope : float
        Finite, at least 0, at most 2**100.
    out : ndarray, optional
    **kwargs
        ``where`` and the other keywords of a NumPy ufunc.

    Raises
    ------
    ValueError
        If the slope is out of range.
    TypeError
        If x is complex or holds objects.
    """
    if negative_slope is _SLOPE:
        return _leaky_relu(x, out, **kwargs)
    return UFUNCS["value", "leaky_relu"](x, check_parameter("negative_slope", negative_slope), out, **kwargs)


def leaky_relu_derivative(x, negative_slope: float = _SLOPE, out=None, **kwargs) -> np.ndarray:
    """1 above 0, else negative_slope (also at 0). Parameters and errors as for :func:`leaky_relu`."""
    if negative_slope is _SLOPE:
        return _leaky_relu_derivative(x, out, **kwargs)
    return UFUNCS["derivative", "leaky_relu"](x, check_parameter("negative_slope", negative_slope), out, **kwargs)


def elu(x, alpha: float = _ALPHA, out=None, **kwargs) -> np.ndarray:
    """x above 0, alpha (e^x - 1) below (Clevert et al. 2016, equation 15).

    Parameters
    ----------
    x : array_like
        float16, float32 and float64 keep their type, other real types go to float64.
    alpha : float
        Finite, at least 0, at most 2**100.
    out : ndarray, optional
    **kwargs
        ``where`` and the other keywords of a NumPy ufunc.

    Raises
    ------
    ValueError
        If alpha is out of range.
    TypeError
        If x is complex or holds objects.
    """
    if alpha is _ALPHA:
        return _elu(x, out, **kwargs)
    return UFUNCS["value", "elu"](x, check_parameter("alpha", alpha), out, **kwargs)


def elu_derivative(x, alpha: float = _ALPHA, out=None, **kwargs) -> np.ndarray:
    """1 above 0, else alpha e^x (alpha at 0). Parameters and errors as for :func:`elu`."""
    if alpha is _ALPHA:
        return _elu_derivative(x, out, **kwargs)
    return UFUNCS["derivative", "elu"](x, check_parameter("alpha", alpha), out, **kwargs)


def value_and_derivative(name: str | Activation, x, out=(None, None), **kwargs) -> tuple[np.ndarray, np.ndarray]:
    """phi(x) and phi'(x) in one pass: they share the exponential.

    Parameters
    ----------
    name : str or Activation
        Which activation; its parameter goes in ``alpha=`` or ``negative_slope=``.
    x : array_like
        Pre-activations of any shape. float16, float32 and float64 keep their type, other real types go to float64.
    out : tuple of two arrays or None
        Where to put the value and the derivative.
    **kwargs
        The activation's parameter, ``where`` and the other keywords of a NumPy ufunc.

    Returns
    -------
    value, derivative : ndarray
        Of x's shape.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, a parameter out of range or one that the activation does not take.
    """
    parameter = {key: kwargs.pop(key) for key in ("alpha", "negative_slope") if key in kwargs}
    phi = activation(name, **parameter)
    arguments = (x,) if phi.parameter is None else (x, phi.parameter)
    return UFUNCS["value_and_derivative", phi.name](*arguments, out=out, **kwargs)
