"""The table of C functions as compiled code calls it, and arrays as C reads them."""

# Design: A function is called by a name, since its address does not outlive the process and Numba's cache does. Arrays
#         go to it as ``array.ctypes``, which holds the array until the function returns: of ``array.ctypes.data`` Numba
#         sees a number, and gives a temporary's memory back before the call.

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from numba import types

from fastgrad import ffi
from fastgrad._validation import unknown

_INT, _SIZE, _REAL, _ARRAY = types.int32, types.uintp, types.float64, types.voidptr
_LAYER = _SIZE, _SIZE, _SIZE  # batch, fan_in, fan_out
_GEMM = _SIZE, _SIZE  # the caller's own product and its context: 0
# What each takes, as include/fastgrad/abi.h declares it.
_ARGUMENTS = {
    "value": (_INT, _SIZE, _SIZE, _ARRAY, _REAL, _ARRAY),
    "derivative": (_INT, _SIZE, _SIZE, _ARRAY, _REAL, _ARRAY),
    "value_and_derivative": (_INT, _SIZE, _SIZE, _ARRAY, _REAL, _ARRAY, _ARRAY),
    "draw": (_INT, _SIZE, _ARRAY, types.uint32, types.uint64, _REAL, _SIZE, _ARRAY),
    "dense_room": (_SIZE, *_LAYER),
    "dense_forward": (_INT, _SIZE, _REAL, *_LAYER, *[_ARRAY] * 6, *_GEMM),
    "dense_backward": (_SIZE, *_LAYER, *[_ARRAY] * 8, *_GEMM),
}


def _symbol(name):
    return f"fastgrad_table_{name}"


def function(name: str) -> Any:
    """A function of the table, for compiled code to call."""
    result = _SIZE if name == "dense_room" else _INT
    return types.ExternalFunction(_symbol(name), result(*_ARGUMENTS[name]))


def name_the_functions() -> None:
    """Tell this process' compiler where the functions are."""
    for name in _ARGUMENTS:
        address = ctypes.cast(getattr(ffi.table(), name), ctypes.c_void_p).value
        llvmlite.binding.add_symbol(_symbol(name), address)


def is_real(array) -> bool:
    """Whether Numba's type is an array of real numbers that fastgrad computes in float32 or float64."""
    numbers = types.Float | types.Integer | types.Boolean
    return isinstance(array, types.Array) and isinstance(array.dtype, numbers) and array.dtype != types.float16


def common_type(*arrays) -> np.dtype:
    """float32 if all these are types of float32 arrays, else float64."""
    return np.dtype(np.float32 if all(array.dtype == types.float32 for array in arrays) else np.float64)


def checked(caller: str, name, out) -> str:
    """The activation that ``caller`` is given; TypingError unless it is a known, literal name, and ``out`` none."""
    literal = name if isinstance(name, str) else getattr(name, "literal_value", getattr(name, "value", None))
    if not isinstance(literal, str):
        raise numba.TypingError(f"fastgrad.{caller} in compiled code takes a literal name")
    if literal not in ffi.ACTIVATION_NUMBERS:
        raise numba.TypingError(str(unknown("activation", literal, ffi.ACTIVATION_NUMBERS)))
    if not is_none(out):
        raise numba.TypingError(f"fastgrad.{caller} in compiled code takes no out=")
    return literal


def is_none(argument) -> bool:
    """Whether an argument's type is that of None, or it was left out."""
    return argument is None or isinstance(argument, types.NoneType | types.Omitted)


def readable(array, real: np.dtype):
    """A compiled function that gives an array of this type as C reads it: itself, or a C-ordered copy in ``real``."""
    same = array.layout == "C" and array.dtype == numba.from_dtype(real)
    return _itself if same else _copy(real)


@numba.njit
def _itself(array):
    return array


@cache
def _copy(real):
    @numba.njit
    def copy(array):
        result = np.empty(array.shape, real)
        result[...] = array
        return result

    return copy
