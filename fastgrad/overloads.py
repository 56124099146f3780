"""fastgrad's functions inside other people's ``@numba.njit`` functions, on scalars and arrays.

Numba finds :func:`register` through the entry point ``numba_extensions`` and calls it before it first compiles.
"""

# Design: - Inside compiled code a call becomes the formula itself, inlined into the caller's loop and vectorised with
#           it; nothing calls back into Python or into the C kernels.
#         - Arrays give a new C-ordered array, as NumPy's functions do under Numba. There is no ``out=`` or ``where=``,
#           and the parameter is not checked: a branch that raises would keep the caller's loop from vectorising.
#         - Every user of Numba pays for the registration, whether he calls a function or not: what compiles them is
#           imported with the first call that is compiled.

from functools import cache

import numba
import numpy as np
from numba import types
from numba.extending import overload

from fastgrad import formulas, functions


@cache
def _of_array(formula, dtype):
    """The same over an array of any layout."""
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


def _implementation(formula, x):
    """What a call with this argument type runs; None (Numba then names the type in its error) if it is not real."""
    from fastgrad.kernels import jit

    make, number = (_of_array, x.dtype) if isinstance(x, types.Array) else (jit.with_parameter, x)
    if number == types.float32:
        return make(formula, "f32")
    return make(formula, "f64") if isinstance(number, types.Float | types.Integer | types.Boolean) else None


def _register(function, formula, parameter, default):
    def plain(x):
        run = _implementation(formula, x)
        return run and (lambda x: run(x, 0.0))

    def with_alpha(x, alpha=default):
        run = _implementation(formula, x)
        return run and (lambda x, alpha=default: run(x, alpha))

    def with_negative_slope(x, negative_slope=default):
        run = _implementation(formula, x)
        return run and (lambda x, negative_slope=default: run(x, negative_slope))

    overload(function)({None: plain, "alpha": with_alpha, "negative_slope": with_negative_slope}[parameter])


def register() -> None:
    """Teach Numba the ten functions."""
    for suffix, table in (("", formulas.VALUES), ("_derivative", formulas.DERIVATIVES)):
        for name, formula in table.items():
            parameter, default = formulas.PARAMETERS.get(name, (None, 0.0))
            _register(getattr(functions, name + suffix), formula, parameter, default)
