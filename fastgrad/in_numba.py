"""fastgrad's functions inside users' ``@numba.njit`` functions, on scalars and arrays.

Numba finds :func:`register` through the entry point ``numba_extensions`` and calls it before it first compiles.
"""

# Design: - Of a number a call becomes the formula itself, inlined into the caller's loop and vectorised with it.
#         - Of an array it is a call of the compiled kernel, by a name that is registered in every process, so that code
#           that Numba has cached finds it again. LLVM keeps to vectors of 256 bits and to one at a time: the formula in
#           a loop took 1.2 to 2 times as long (Zen 4; value and derivative of tanh 2.1).
#         - But functions without a parameter are ufuncs, and of an expression of ufuncs and arrays Numba makes one loop
#           before it looks here: there the formula is inlined, with nothing stored in between.
#         - An array gives a new C-ordered array, as with NumPy's functions under Numba. There is no ``out=`` or
#           ``where=``, and the parameter is not checked: a branch that raises would keep the caller's loop from
#           vectorising.
#         - Numba calls register() in every process that compiles anything, fastgrad used or not. So it is short, and
#           kernels.jit is imported only when a call is compiled.

import ctypes
from functools import cache

import llvmlite.binding
import numba
import numpy as np
from numba import types
from numba.extending import overload

from fastgrad import ffi, formulas, functions
from fastgrad._validation import unknown
from fastgrad.signatures import made_for


def _symbol(name):
    """What a function of the table is called in compiled code, as its address does not outlive the process."""
    return f"fastgrad_table_{name}"


def _external(name, *arguments):
    return types.ExternalFunction(_symbol(name), types.int32(*arguments))


_REAL = {"f32": np.float32, "f64": np.float64}
_ONE = types.int32, types.uintp, types.uintp, types.uintp, types.float64, types.uintp
_FUNCTIONS = {
    "value": _external("value", *_ONE),
    "derivative": _external("derivative", *_ONE),
    "value_and_derivative": _external("value_and_derivative", *_ONE, types.uintp),
}


@cache
def _of_array(kind, name, dtype, plain):
    """Value, derivative or both over an array: a compiled function ``(z, parameter)``. ``plain``: z is as C reads it.

    What is not plain is copied to the result and computed there: a temporary would be freed before the call, as nobody
    but the call uses its address.
    """
    call, number, real = _FUNCTIONS[kind], ffi.ACTIVATION_NUMBERS[name], np.dtype(_REAL[dtype])
    item = real.itemsize

    @numba.njit
    def one(z, parameter):
        result = np.empty(z.shape, real)
        if plain:
            call(number, item, z.size, z.ctypes.data, parameter, result.ctypes.data)
        else:
            result[...] = z
            call(number, item, z.size, result.ctypes.data, parameter, result.ctypes.data)
        return result

    @numba.njit
    def two(z, parameter):
        y, d = np.empty(z.shape, real), np.empty(z.shape, real)
        if plain:
            call(number, item, z.size, z.ctypes.data, parameter, y.ctypes.data, d.ctypes.data)
        else:
            y[...] = z
            call(number, item, z.size, y.ctypes.data, parameter, y.ctypes.data, d.ctypes.data)
        return y, d

    return two if kind == "value_and_derivative" else one


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


def _implementation(kind, name, x):
    """The compiled function for an argument of type x; None if x is not real, and Numba's error then names the type."""
    from fastgrad.kernels import jit

    dtype = _dtype(x)
    if dtype is None:
        return None
    if isinstance(x, types.Array):
        return _of_array(kind, name, dtype, x.layout == "C" and isinstance(x.dtype, types.Float))
    if kind == "value_and_derivative":
        return _both_of_scalar(name, dtype)
    return jit.with_parameter((formulas.VALUES if kind == "value" else formulas.DERIVATIVES)[name], dtype)


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
        run = _implementation("value_and_derivative", name, x)
        if run is None:
            return None
        parameter = formulas.PARAMETERS.get(name, (0.0,))[0]
        return eval(f"lambda {arguments}: run(x, {parameter})", {"run": run})

    names = {"implementation": implementation, "literal": _literal}
    return eval(f"lambda {arguments}: implementation(literal(name, x, out), x)", names)


def _register(function, kind, name):
    default = formulas.PARAMETERS.get(name, ("", 0.0))[1]

    def plain(x):
        run = _implementation(kind, name, x)
        return run and (lambda x: run(x, 0.0))

    def with_parameter(x, parameter=default):
        run = _implementation(kind, name, x)
        return run and made_for(name, lambda x, parameter=default: run(x, parameter), name)

    overload(function)(made_for(name, with_parameter, name) if name in formulas.PARAMETERS else plain)


def register() -> None:
    """Register the public functions with Numba, and :func:`fastgrad.value_and_derivative` of a literal name."""
    for name in _FUNCTIONS:
        address = ctypes.cast(getattr(ffi.table(), name), ctypes.c_void_p).value
        llvmlite.binding.add_symbol(_symbol(name), address)
    for suffix, kind in (("", "value"), ("_derivative", "derivative")):
        for name in formulas.VALUES:
            _register(getattr(functions, name + suffix), kind, name)
    overload(functions.value_and_derivative, prefer_literal=True)(_value_and_derivative())
