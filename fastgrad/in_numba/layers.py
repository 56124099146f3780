"""Dense layers forward and backward, in compiled code."""

# Design: The bits are those of fastgrad.dense_forward and dense_backward, but of layers so large that those leave the
#         product to NumPy's BLAS (kernels/compiled.pyx): here it is fastgrad's own.

from functools import cache

import numba
import numpy as np
from numba.extending import overload

from fastgrad import dense, ffi, formulas
from fastgrad.in_numba import table

EMPTY = "a layer must have an input and an output at least"
ROWS = "the last axis of x must be as long as weight has rows"


@numba.njit
def _rows(x):
    """The number of samples of x, shape (..., n)."""
    rows = 1
    for axis in range(x.ndim - 1):
        rows *= x.shape[axis]
    return rows


@cache
def _forward(name, real, read_x, read_weight, read_bias):
    call, room_for, item = table.function("dense_forward"), table.function("dense_room"), real.itemsize
    number, parameter = ffi.ACTIVATION_NUMBERS[name], formulas.PARAMETERS.get(name, ("", 0.0))[1]

    @numba.njit
    def forward(x, weight, bias):
        if x.shape[-1] != weight.shape[0]:
            raise ValueError(ROWS)
        if bias is not None and bias.shape[0] != weight.shape[1]:
            raise ValueError("bias must be as long as weight has columns")
        fan_in, fan_out = weight.shape
        rows, x_, weight_ = _rows(x), read_x(x), read_weight(weight)
        bias_ = np.zeros(fan_out, real) if bias is None else read_bias(bias)
        shape = x.shape[:-1] + (fan_out,)  # noqa: RUF005 - Numba unpacks no slice
        y, d = np.empty(shape, real), np.empty(shape, real)
        room = np.empty(room_for(item, rows, fan_in, fan_out), np.uint8)
        refused = call(
            number, item, parameter, rows, fan_in, fan_out,
            x_.ctypes, weight_.ctypes, bias_.ctypes, y.ctypes, d.ctypes, room.ctypes, 0, 0,
        )  # fmt: skip
        if refused and rows:
            raise ValueError(EMPTY)
        return y, d

    return forward


@cache
def _backward(real, read_dy, read_d, read_x, read_weight):
    call, room_for, item = table.function("dense_backward"), table.function("dense_room"), real.itemsize

    @numba.njit
    def backward(dy, d, x, weight):
        shape = x.shape[:-1] + (weight.shape[1],)  # noqa: RUF005
        if x.shape[-1] != weight.shape[0]:
            raise ValueError(ROWS)
        if dy.shape != shape or d.shape != shape:
            raise ValueError("dy and d must have the shape of the layer's output")
        fan_in, fan_out = weight.shape
        rows, dy_, d_, x_, weight_ = _rows(x), read_dy(dy), read_d(d), read_x(x), read_weight(weight)
        dx, dweight, dbias = np.empty(x.shape, real), np.zeros(weight.shape, real), np.zeros(fan_out, real)
        room = np.empty(room_for(item, rows, fan_in, fan_out), np.uint8)
        refused = call(
            item, rows, fan_in, fan_out, dy_.ctypes, d_.ctypes,
            x_.ctypes, weight_.ctypes, dx.ctypes, dweight.ctypes, dbias.ctypes, room.ctypes, 0, 0,
        )  # fmt: skip
        if refused and rows:
            raise ValueError(EMPTY)
        return dx, dweight, dbias

    return backward


def _are_layers(caller, weight, *others):
    """Whether these types are arrays of a layer; TypingError if their axes are not."""
    if not all(map(table.is_real, (weight, *others))):
        return False
    if weight.ndim != 2 or any(array.ndim == 0 for array in others):
        raise numba.TypingError(f"fastgrad.{caller} takes x (..., fan_in) and weight (fan_in, fan_out)")
    return True


def _dense_forward(x, weight, bias=None, activation="tanh", out=None):
    name = table.checked("dense_forward", activation, out)
    given = [] if table.is_none(bias) else [bias]
    if not _are_layers("dense_forward", weight, x, *given):
        return None
    if given and bias.ndim != 1:
        raise numba.TypingError("fastgrad.dense_forward takes a bias (fan_out,)")
    real = table.common_type(x, weight, *given)
    run = _forward(name, real, *(table.readable(array, real) for array in (x, weight, *(given or [weight]))))
    return lambda x, weight, bias=None, activation="tanh", out=None: run(x, weight, bias)


def _dense_backward(dy, d, x, weight, out=None):
    if not table.is_none(out):
        raise numba.TypingError("fastgrad.dense_backward in compiled code takes no out=")
    if not _are_layers("dense_backward", weight, dy, d, x):
        return None
    real = table.common_type(dy, d, x, weight)
    run = _backward(real, *(table.readable(array, real) for array in (dy, d, x, weight)))
    return lambda dy, d, x, weight, out=None: run(dy, d, x, weight)


def register() -> None:
    """Register ``dense_forward`` and ``dense_backward``."""
    overload(dense.dense_forward, prefer_literal=True)(_dense_forward)
    overload(dense.dense_backward)(_dense_backward)
