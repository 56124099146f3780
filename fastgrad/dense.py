"""One dense layer, forward and backward."""

# Design: - The forward pass keeps y and d = phi'(z), which share their exponential; backward is one multiplication,
#           whatever the activation: no exponential, no cancellation, no branch on its name. z is not kept.
#         - ``affine_*`` trust their arguments and are what network.py runs; ``dense_*`` check them.
#         - With the compiled backend a layer is one call of C, whose look at the arrays costs a tenth of what the
#           checks below cost; they are for whatever it does not take as it is.

import math
from itertools import combinations, product

import numpy as np

from fastgrad import activations, kernels
from fastgrad._validation import computed_in, matrix, real_array
from fastgrad.kernels import compiled


def affine_forward(x, weight, bias):
    # x (batch, fan_in), weight (fan_in, fan_out), bias (fan_out,)
    z = x @ weight
    z += bias
    return z  # (batch, fan_out)


def affine_backward(dz, x, weight, need_dx=True):
    # dz (batch, fan_out), x (batch, fan_in), weight (fan_in, fan_out)
    dx = dz @ weight.T if need_dx else None  # z = x @ weight + bias
    dweight = x.T @ dz
    dbias = dz.sum(axis=0)
    return dx, dweight, dbias


def dense_forward(
    x, weight, bias=None, activation="tanh", *, backend="compiled", out=None
) -> tuple[np.ndarray, np.ndarray]:
    """One dense layer, ``y = phi(x @ weight + bias)``, and the derivative that the backward pass needs.

    Parameters
    ----------
    x : array_like, shape (..., fan_in)
    weight : array_like, shape (fan_in, fan_out)
    bias : array_like, shape (fan_out,), optional
        Without one there is none. float16, float32 and float64 are kept as given, other real types go to float64; of
        mixed types the result has NumPy's common one. float16 is computed in float32 and rounded once.
    activation : str or Activation
    backend : {"compiled", "numba", "numpy"}
        What runs the layer: "numba" and "numpy" take NumPy's matrix product.
    out : (ndarray, ndarray), optional
        Where to put y and d, shape (..., fan_out) and of the result's dtype.

    Returns
    -------
    y : ndarray, shape (..., fan_out)
        The leading axes are those of x.
    d : ndarray, shape (..., fan_out)
        phi'(z) at the pre-activation ``z = x @ weight + bias``, computed from z.

    Raises
    ------
    ValueError
        If a shape does not fit, the two arrays of ``out`` overlap, or the activation or backend is unknown.
    TypeError
        If an array is not real, or ``out`` is not two arrays of the result's dtype.
    ImportError
        If the backend is not installed.
    """
    if backend == "compiled" and isinstance(activation, str):
        found = compiled.dense_forward(x, weight, bias, activation, None, out)
        if found is not None:
            return found
    record = activations.activation(activation)
    x, weight = _rows_and_weight(x, weight)
    fan_out = weight.shape[1]
    bias = np.zeros(fan_out, weight.dtype) if bias is None else real_array("bias", bias)
    if bias.shape != (fan_out,):
        raise ValueError(f"bias must have shape ({fan_out},), got {bias.shape}")
    dtype = np.result_type(x, weight, bias)
    shape = (*x.shape[:-1], fan_out)
    given = _outputs(out, {"y": shape, "d": shape}, dtype)
    x, weight, bias = (np.ascontiguousarray(array, computed_in(dtype)) for array in (_flat(x), weight, bias))
    direct = dtype == x.dtype and all(array.flags.c_contiguous for array in given)
    direct = direct and not any(np.may_share_memory(*pair) for pair in product(given, (x, weight, bias)))
    y, d = (_flat(array) if direct else np.empty((len(x), fan_out), x.dtype) for array in given)
    ours = backend == "compiled"
    if not ours or compiled.dense_forward(x, weight, bias, record.name, record.parameter, (y, d)) is None:
        np.matmul(x, weight, out=y)
        y += bias
        record.value_and_derivative(y, out=(y, d), backend=backend)
    return given if direct else _written(given, (y, d))


def _rows_and_weight(x, weight):
    """Both as real arrays that fit each other."""
    x = real_array("x", x)
    if x.ndim == 0:
        raise ValueError("x must have shape (..., fan_in), got ()")
    return x, matrix("weight", weight, (x.shape[-1], None))


def _flat(array):
    """(..., n) as a matrix (rows, n), a view if it is C-contiguous."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def _written(out, found):
    """``out``, filled with these results, which are rounded to its type and take its shape."""
    with np.errstate(over="ignore"):  # beyond float16 is inf, as beyond float32
        for array, result in zip(out, found, strict=True):
            array[...] = result.reshape(array.shape)
    return out


def _outputs(out, shapes, dtype):
    """``out`` as arrays of these shapes, name to shape; new ones if it is None; TypeError or ValueError if not so."""
    if out is None:
        return tuple(np.empty(shape, dtype) for shape in shapes.values())
    given = tuple(out) if np.iterable(out) else (out,)
    if [isinstance(array, np.ndarray) for array in given] != [True] * len(shapes):
        got = f"{len(given)} of type {type(given[0]).__name__}" if given else "none"
        count = {2: "two", 3: "three"}[len(shapes)]
        raise TypeError(f"out must be {count} arrays, ({', '.join(shapes)}), got {got}")
    for (name, shape), array in zip(shapes.items(), given, strict=True):
        if array.dtype != dtype:
            raise TypeError(f"out's {name} must have dtype {dtype}, got {array.dtype}")
        if array.shape != shape:
            raise ValueError(f"out's {name} must have shape {shape}, got {array.shape}")
        if not array.flags.writeable:
            raise ValueError(f"out's {name} is read-only")
    for (one, first), (other, second) in combinations(zip(shapes, given, strict=True), 2):
        if np.may_share_memory(first, second):
            raise ValueError(f"out's {one} and {other} must not overlap: each would be written over the other")
    return given


def dense_backward(dy, d, x, weight, *, backend="compiled", out=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of one dense layer.

    Parameters
    ----------
    dy : array_like, shape (..., fan_out)
        Gradient of the loss with respect to the layer's output y.
    d : array_like, shape (..., fan_out)
        phi'(z), from :func:`dense_forward`; types are as there.
    x : array_like, shape (..., fan_in)
    weight : array_like, shape (fan_in, fan_out)
    backend : {"compiled", "numba", "numpy"}
        What runs the layer: "numba" and "numpy" take NumPy's matrix products.
    out : (ndarray, ndarray, ndarray), optional
        Where to put dx, dweight and dbias, of the results' shapes and dtype.

    Returns
    -------
    dx : ndarray, shape (..., fan_in)
    dweight : ndarray, shape (fan_in, fan_out)
        Summed over all leading axes.
    dbias : ndarray, shape (fan_out,)
        Summed likewise. It is there also for a layer without a bias, which has no use for it.

    Raises
    ------
    ValueError
        If a shape does not fit, two arrays of ``out`` overlap or one is read-only, or the backend is unknown.
    TypeError
        If an array is not real, or ``out`` is not three arrays of the result's dtype.
    ImportError
        If the backend is not installed.
    """
    found = compiled.dense_backward(dy, d, x, weight, out) if backend == "compiled" else None
    if found is not None:
        return found
    kernels.get(backend)
    x, weight = _rows_and_weight(x, weight)
    dy, d = real_array("dy", dy), real_array("d", d)
    shape = (*x.shape[:-1], weight.shape[1])
    for name, array in (("dy", dy), ("d", d)):
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    dtype = np.result_type(x, weight, dy, d)
    shapes = {"dx": x.shape, "dweight": weight.shape, "dbias": weight.shape[1:]}
    out = _outputs(out, shapes, dtype) if out is not None else None
    flat = (_flat(dy), _flat(d), _flat(x), weight)
    dy, d, x, weight = (np.ascontiguousarray(array, computed_in(dtype)) for array in flat)
    found = compiled.dense_backward(dy, d, x, weight) if backend == "compiled" else None
    found = found or affine_backward(dy * d, x, weight)  # y = phi(z), d = phi'(z)
    if out is None and dtype == weight.dtype:
        return found[0].reshape(shapes["dx"]), *found[1:]
    return _written(out or _outputs(None, shapes, dtype), found)
