"""Activations, their derivatives, and both at once, in compiled code."""

# Design: - Functions without a parameter are ufuncs, and of an expression of ufuncs and arrays Numba makes one loop
#           over the formula. They are registered as another function, which Numba calls: the kernel is faster than that
#           loop, by more than the loop saves in memory.
#         - The parameter is not checked: a branch that raises would keep the caller's loop from vectorising.

from functools import cache, partial

import numba
import numpy as np
from numba import types
from numba.core.typing.templates import infer, infer_global, make_overload_template
from numba.extending import overload

from fastgrad import ffi, formulas, functions
from fastgrad.in_numba import table
from fastgrad.signatures import made_for


@cache
def _of_array(kind, name, real, read):
    """Value, derivative or both over an array that ``read`` makes readable: a compiled function ``(z, parameter)``."""
    call, number, item = table.function(kind), ffi.ACTIVATION_NUMBERS[name], real.itemsize

    @numba.njit
    def one(z, parameter):
        z_, result = read(z), np.empty(z.shape, real)
        call(number, item, z.size, z_.ctypes, parameter, result.ctypes)
        return result

    @numba.njit
    def two(z, parameter):
        z_, y, d = read(z), np.empty(z.shape, real), np.empty(z.shape, real)
        call(number, item, z.size, z_.ctypes, parameter, y.ctypes, d.ctypes)
        return y, d

    return two if kind == "value_and_derivative" else one


@cache
def _both_of_scalar(name, dtype):
    """Value and derivative of a number, as a compiled function ``(z, parameter)``."""
    from fastgrad.kernels import jit

    value = jit.with_parameter(formulas.VALUES[name], dtype)
    derivative = jit.with_parameter(formulas.DERIVATIVES[name], dtype)
    return numba.njit(**jit.OPTIONS)(lambda z, parameter: (value(z, parameter), derivative(z, parameter)))


def _implementation(kind, name, x):
    """The compiled function for an argument of type x; None if x is not real, and Numba's error then names the type."""
    from fastgrad.kernels import jit

    if table.is_real(x):
        real = table.common_type(x)
        return _of_array(kind, name, real, table.readable(x, real))
    if not isinstance(x, types.Float | types.Integer | types.Boolean):
        return None
    dtype = "f32" if x == types.float32 else "f64"
    if kind == "value_and_derivative":
        return _both_of_scalar(name, dtype)
    return jit.with_parameter((formulas.VALUES if kind == "value" else formulas.DERIVATIVES)[name], dtype)


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

    names = {"implementation": implementation, "checked": partial(table.checked, "value_and_derivative")}
    return eval(f"lambda {arguments}: implementation(checked(name, out), x)", names)


def _register(function, kind, name):
    default = formulas.PARAMETERS.get(name, ("", 0.0))[1]

    def plain(x):
        run = _implementation(kind, name, x)
        return run and (lambda x: run(x, 0.0))

    def with_parameter(x, parameter=default):
        run = _implementation(kind, name, x)
        return run and made_for(name, lambda x, parameter=default: run(x, parameter), name)

    if name in formulas.PARAMETERS:
        overload(function)(made_for(name, with_parameter, name))
        return
    template = make_overload_template(lambda x: None, plain, {"nopython": True}, strict=True, inline="never")
    infer(template)
    infer_global(function, types.Function(template))


def register() -> None:
    """Register the functions of every activation, and ``value_and_derivative`` of a literal name."""
    for suffix, kind in (("", "value"), ("_derivative", "derivative")):
        for name in formulas.VALUES:
            _register(getattr(functions, name + suffix), kind, name)
    overload(functions.value_and_derivative, prefer_literal=True)(_value_and_derivative())
