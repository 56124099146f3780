"""The activations and their derivatives as NumPy-native functions, on the compiled kernels.

One for every formula of the registry, under its name: ``sigmoid``, ``sigmoid_derivative`` and so on. The build
prints their signatures for type checkers (functions.pyi).
"""

# Design: Those without a parameter are NumPy ufuncs themselves, not functions around them, so ``out=``, ``where=``,
#         broadcasting, strides and ``__array_ufunc__`` (pandas, xarray, dask) are NumPy's own and a call
#         costs what np.negative costs. The others check their parameter and then call one.
#         - float16 is computed in float32, the parameter too, and rounded once: within 0.501 ULP of the true result.

import numpy as np

from fastgrad import formulas
from fastgrad.activations import ACTIVATIONS, PARAMETER_NAMES, Activation, activation, check_parameter
from fastgrad.kernels import compiled
from fastgrad.kernels.compiled import UFUNCS
from fastgrad.signatures import made_for, numpy_document


def _with_parameter(kind, name):
    label, default = formulas.PARAMETERS[name]
    ufunc, with_default = UFUNCS[kind, name], UFUNCS[kind, name, "default"]

    def function(x, parameter: float = default, out=None, **kwargs) -> np.ndarray:
        if parameter is default and not kwargs and type(out) is not tuple:  # without keywords half the cost of a call
            return with_default(x, out)
        return ufunc(x, check_parameter(label, parameter), out=out, **kwargs)

    formula = (formulas.VALUES if kind == "value" else formulas.DERIVATIVES)[name]
    return made_for(name, function, formula.__name__, numpy_document(formula.__doc__, label))


for _kind, _suffix in (("value", ""), ("derivative", "_derivative")):
    for _name in ACTIVATIONS:
        _made = _with_parameter(_kind, _name) if _name in formulas.PARAMETERS else UFUNCS[_kind, _name]
        globals()[_name + _suffix] = _made


_NAMES = frozenset(ACTIVATIONS)


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
    value : ndarray
        Of x's shape.
    derivative : ndarray
        Of x's shape, computed from x.

    Raises
    ------
    ValueError
        If the activation is unknown or its parameter is out of range.
    TypeError
        If the activation does not take that parameter, or x is complex or holds objects.
    """
    if not kwargs and type(name) is str and name in _NAMES:  # 2 us less, which is 4,096 numbers
        return compiled.value_and_derivative(name, x, None, out)
    parameter = {key: kwargs.pop(key) for key in PARAMETER_NAMES if key in kwargs}
    phi = activation(name, **parameter)
    if not kwargs:
        return compiled.value_and_derivative(phi.name, x, phi.parameter, out)
    arguments = (x,) if phi.parameter is None else (x, phi.parameter)
    return UFUNCS["value_and_derivative", phi.name](*arguments, out=out, **kwargs)


__all__ = [name + suffix for name in ACTIVATIONS for suffix in ("", "_derivative")]
__all__ += ["value_and_derivative"]
