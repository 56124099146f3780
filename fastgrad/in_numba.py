"""fastgrad's functions inside users' ``@numba.njit`` functions, on scalars and arrays.

Numba finds :func:`register` through the entry point ``numba_extensions`` and calls it before it first compiles.
"""

# Design: - In compiled code a call becomes the formula itself, inlined into the caller's loop and vectorised with it;
#           nothing calls back into Python or into the C kernels.
#         - An array gives a new C-ordered array, as with NumPy's functions under Numba. There is no ``out=`` or
#           ``where=``, and the parameter is not checked: a branch that raises would keep the caller's loop from
#           vectorising.
#         - Numba calls register() in every process that compiles anything, fastgrad used or not. So it is short, and
#           kernels.jit is imported only when a call is compiled.

from functools import cache

import numba
import numpy as np
from numba import types
from numba.extending import overload

from fastgrad import formulas, functions
from fastgrad._validation import unknown
from fastgrad.signatures import made_for


@cache
def _of_array(formula, dtype):
    """phi or phi' over an array of any layout, as a compiled function ``(z, parameter)``."""
    from fastgrad.kernels import jit

    phi, real = jit.with_parameter(formula, dtype), np.dtype(jit.REAL[dtype])

    @numba.njit(**jit.OPTIONS)
    def over_array(z, parameter):
        result = np.empty(z.shape, real)
        source, target = np.ascontiguousarray(z).reshape(-1), result.reshape(-1)
        for i in range(source.size):
            target[i] = phi(source[i], parameter)
        return result

    return over_array


@cache
def _both_of_array(name, dtype):
    """Value and derivative over an array of any layout in one pass, as a compiled function ``(z, parameter)``."""
    from fastgrad.kernels import jit

    value, derivative = (jit.with_parameter(table[name], dtype) for table in (formulas.VALUES, formulas.DERIVATIVES))
    real = np.dtype(jit.REAL[dtype])

    @numba.njit(**jit.OPTIONS)
    def over_array(z, parameter):
        y, d = np.empty(z.shape, real), np.empty(z.shape, real)
        source, to_y, to_d = np.ascontiguousarray(z).reshape(-1), y.reshape(-1), d.reshape(-1)
        for i in range(source.size):
            to_y[i] = value(source[i], parameter)
            to_d[i] = derivative(source[i], parameter)
        return y, d

    return over_array


@cache
def _both_of_scalar(name, dtype):
    """Value and derivative of a number, as a compiled function ``(z, parameter)``."""
    from fastgrad.kernels import jit

    value, derivative = (jit.with_parameter(table[name], dtype) for table in (formulas.VALUES, formulas.DERIVATIVES))
    return numba.njit(**jit.OPTIONS)(lambda z, parameter: (value(z, parameter), derivative(z, parameter)))


def _dtype(x):
    """The type to compute in for an argument of type x, "f32" or "f64"; None if x is not real."""
    number = x.dtype if isinstance(x, types.Array) else x
    if number == types.float32:
        return "f32"
    return "f64" if isinstance(number, types.Float | types.Integer | types.Boolean) else None


def _implementation(formula, x):
    """The compiled function for an argument of type x; None if x is not real, and Numba's error then names the type."""
    from fastgrad.kernels import jit

    dtype = _dtype(x)
    return dtype and (_of_array if isinstance(x, types.Array) else jit.with_parameter)(formula, dtype)


def _literal(name, x, out):
    """The activation that ``value_and_derivative`` is called with; TypingError unless it is a known, literal name."""
    if not isinstance(name, types.StringLiteral):
        raise numba.TypingError("fastgrad.value_and_derivative in compiled code takes a literal name")
    if name.literal_value not in formulas.VALUES:
        raise numba.TypingError(str(unknown("activation", name.literal_value, formulas.VALUES)))
    if not isinstance(out, types.Omitted | types.NoneType) and out is not None:
        raise numba.TypingError("fastgrad.value_and_derivative in compiled code takes no out=")
    return name.literal_value


def _value_and_derivative():
    """The overload of ``fastgrad.value_and_derivative("elu", x, alpha=0.5)``.

    Numba wants an overload and the function it returns to have the same signature, name by name. Both therefore take
    every parameter of the registry, and are made from text.
    """
    defaults = dict(formulas.PARAMETERS.values())
    arguments = ", ".join(["name, x, out=None", *(f"{parameter}={value!r}" for parameter, value in defaults.items())])

    def implementation(name, x):
        dtype = _dtype(x)
        if dtype is None:
            return None
        run = (_both_of_array if isinstance(x, types.Array) else _both_of_scalar)(name, dtype)
        parameter = formulas.PARAMETERS.get(name, (0.0,))[0]
        return eval(f"lambda {arguments}: run(x, {parameter})", {"run": run})

    names = {"implementation": implementation, "literal": _literal}
    return eval(f"lambda {arguments}: implementation(literal(name, x, out), x)", names)


def _register(function, formula, name):
    default = formulas.PARAMETERS.get(name, ("", 0.0))[1]

    def plain(x):
        run = _implementation(formula, x)
        return run and (lambda x: run(x, 0.0))

    def with_parameter(x, parameter=default):
        run = _implementation(formula, x)
        return run and made_for(name, lambda x, parameter=default: run(x, parameter), name)

    overload(function)(made_for(name, with_parameter, name) if name in formulas.PARAMETERS else plain)


def register() -> None:
    """Register the public functions with Numba, and :func:`fastgrad.value_and_derivative` of a literal name."""
    for suffix, table in (("", formulas.VALUES), ("_derivative", formulas.DERIVATIVES)):
        for name, formula in table.items():
            _register(getattr(functions, name + suffix), formula, name)
    overload(functions.value_and_derivative, prefer_literal=True)(_value_and_derivative())
