"""The Numba backend: the same formulas and the same exp made of arithmetic, compiled by LLVM."""

# Design: - Numba has had no vector exp since 0.62, so its kernels run kernels/exponential.py as the C kernels do: loops
#           made of arithmetic only, which LLVM vectorises (4 to 10 times faster than with math.exp).
#         - No fastmath: the two-word sums would be simplified away. Fused multiply-adds are explicit.
#         - Literals would be float64, so constants come in as typed globals; a function object per type is
#           made by rebinding the code object, which is what one formula in three backends means.
#         - Compiled when first used (a quarter of a second for each function and type).

import math
from functools import cache
from types import FunctionType
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastgrad import formulas
from fastgrad.kernels import exponential
from fastgrad.kernels.names import bind

REAL = {"f32": np.float32, "f64": np.float64}
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}


def _llvm(name, operands):
    """The LLVM intrinsic of that name on scalars of one floating-point type."""

    def typer(typingctx, *arguments):
        def emit(context, builder, signature, values):
            real = context.get_value_type(signature.return_type)
            suffix = {"float": "f32", "double": "f64"}[str(real)]
            kind = ir.FunctionType(real, [real] * operands)
            function = builder.module.globals.get(f"llvm.{name}.{suffix}")
            function = function or ir.Function(builder.module, kind, f"llvm.{name}.{suffix}")
            return builder.call(function, values)

        return arguments[0](*arguments), emit

    # intrinsic() wants the exact number of parameters
    signatures = {
        1: lambda typingctx, a: typer(typingctx, a),
        2: lambda typingctx, a, b: typer(typingctx, a, b),
    }
    signatures[3] = lambda typingctx, a, b, c: typer(typingctx, a, b, c)
    return intrinsic(signatures[operands])


fma = _llvm("fma", 3)
fabs = _llvm("fabs", 1)
copysign = _llvm("copysign", 2)


@intrinsic
def _power_of_two(typingctx, shifted):
    """The number whose exponent's bits are the lowest bits of this one."""
    bits, mantissa = (32, 23) if shifted == types.float32 else (64, 52)

    def emit(context, builder, signature, values):
        whole = ir.IntType(bits)
        return builder.bitcast(builder.shl(builder.bitcast(values[0], whole), whole(mantissa)), values[0].type)

    return shifted(shifted), emit


@nb.njit(**OPTIONS, inline="always")
def _where(condition, a, b):
    return a if condition else b


@nb.njit(**OPTIONS, inline="always")
def _minimum(a, b):
    return a if a < b else b  # the second when either is NaN


@nb.njit(**OPTIONS, inline="always")
def _maximum(a, b):
    return a if a > b else b


@cache
def _names(dtype):
    """What the names in formulas.py and kernels/exponential.py mean for one type."""
    real = REAL[dtype]
    constants = exponential.CONSTANTS[dtype]
    names = {name: real(number) for name, number in constants.items()}
    half, shifter = real(0.5), real(constants["shifter"] + math.log2(constants["lowered"]))  # low bits: the bias alone

    @nb.njit(**OPTIONS)
    def ldexp(a, n):
        # in two steps, of which only the last can round; n is NaN where a is
        shifted = n * half + shifter
        return a * _power_of_two(shifted) * _power_of_two((n - (shifted - shifter)) + shifter)  # type: ignore[call-arg]

    @nb.njit(**OPTIONS)
    def shift_exponent(a, shifted, shifter, lowered):
        return a * _power_of_two(shifted) * lowered  # type: ignore[call-arg]

    names |= {
        "shift_exponent": shift_exponent,
        "fma": fma,
        "mad": fma,
        "fabs": fabs,
        "copysign": copysign,
        "ldexp": ldexp,
    }
    names |= {"where": _where, "minimum": _minimum, "maximum": _maximum}
    functions = {name: f for name, f in vars(exponential).items() if isinstance(f, FunctionType)}
    functions["polynomial"] = functions[f"polynomial_{dtype}"]
    functions |= formulas.FUNCTIONS
    return bind(names, functions, real, nb.njit(**OPTIONS))


def scalar_function(formula, dtype):
    """A formula as a compiled function of scalars, for use inside other compiled functions."""
    return _names(dtype)[formula.__name__]


@cache
def with_parameter(formula, dtype):
    """The formula as a compiled function of (z, parameter), whether it has a parameter or not."""
    phi, real = scalar_function(formula, dtype), REAL[dtype]
    if phi.py_func.__code__.co_argcount == 2:
        return nb.njit(**OPTIONS)(lambda z, parameter: phi(real(z), real(parameter)))
    return nb.njit(**OPTIONS)(lambda z, parameter: phi(real(z)))


@cache
def _loop(kind, name, dtype):
    """The loop over a contiguous array: (z, parameter, outputs...)."""
    value = with_parameter(formulas.VALUES[name], dtype)
    derivative = with_parameter(formulas.DERIVATIVES[name], dtype)
    one = value if kind == "value" else derivative

    def single(z, parameter, out):
        for i in range(z.size):
            out[i] = one(z[i], parameter)

    def both(z, parameter, y, d):
        for i in range(z.size):
            t = z[i]  # y may be z
            y[i] = value(t, parameter)
            d[i] = derivative(t, parameter)

    return nb.njit(**OPTIONS)(both if kind == "both" else single)


def _run(kind, name, z, parameter, outs):
    z = np.asarray(z)
    dtype = "f32" if z.dtype in (np.float16, np.float32) else "f64"
    real = REAL[dtype]
    flat = np.ascontiguousarray(z, dtype=real).reshape(-1)
    results = tuple(np.empty(z.shape, real) for _ in outs)
    _loop(kind, name, dtype)(flat, real(0 if parameter is None else parameter), *(r.reshape(-1) for r in results))
    if z.dtype == np.float16:  # Numba has none
        with np.errstate(over="ignore"):
            results = tuple(result.astype(np.float16) for result in results)
    for out, result in zip(outs, results, strict=True):
        if out is not None:
            out[...] = result
    return tuple(r if out is None else out for out, r in zip(outs, results, strict=True))


def value(name, z, parameter=None, out=None):
    """phi(z) of the named activation, elementwise."""
    return _run("value", name, z, parameter, (out,))[0]


def derivative(name, z, parameter=None, out=None):
    """phi'(z) of the named activation, elementwise."""
    return _run("derivative", name, z, parameter, (out,))[0]


def value_and_derivative(name, z, parameter=None, out=(None, None)):
    """phi(z) and phi'(z) in one pass."""
    return _run("both", name, z, parameter, out)
