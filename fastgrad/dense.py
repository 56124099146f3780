"""One layer: forward and backward face each other."""

# Design: - The forward pass keeps y and d = phi'(z), which share their exponential; backward is one multiplication,
#           whatever the activation: no exponential, no cancellation, no branch on its name. z is not kept.
#         - ``affine_*`` trust their arguments and are what network.py and decay.py run; ``dense_*`` check them.
#         - With the compiled backend a layer is one call of C, whose look at the arrays costs a tenth of what the
#           checks below cost; they are for whatever it does not take as it is.

from itertools import combinations

import numpy as np

from fastgrad import activations, kernels
from fastgrad._validation import matrix, real_array
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


def dense_forward(x, weight, bias, activation, *, backend="compiled", out=None):
    """One dense layer, ``y = phi(x @ weight + bias)``, and the derivative that the backward pass needs.

    Parameters
    ----------
    x : array_like, shape (batch, fan_in)
    weight : array_like, shape (fan_in, fan_out)
    bias : array_like, shape (fan_out,)
        float32 or float64 are kept as given, other real types go to float64; mixed types give float64.
    activation : str or Activation
    backend : {"compiled", "numba", "numpy"}
        What runs the layer: "numba" and "numpy" take NumPy's matrix product.
    out : (ndarray, ndarray), optional
        Where to put y and d, shape (batch, fan_out) and of the result's dtype.

    Returns
    -------
    y : ndarray, shape (batch, fan_out)
    d : ndarray, shape (batch, fan_out)
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
    x = matrix("x", x, (None, None))
    weight = matrix("weight", weight, (x.shape[1], None))
    bias = real_array("bias", bias)
    if bias.shape != weight.shape[1:]:
        raise ValueError(f"bias must have shape ({weight.shape[1]},), got {bias.shape}")
    dtype = np.result_type(x, weight, bias)
    shape = x.shape[0], weight.shape[1]
    y, d = _outputs(out, {"y": shape, "d": shape}, dtype)
    if backend == "compiled":
        x, weight, bias = (np.ascontiguousarray(array, dtype) for array in (x, weight, bias))
        found = compiled.dense_forward(x, weight, bias, record.name, record.parameter, (y, d))
        if found is not None:
            return found
    np.matmul(x, weight, out=y)
    y += bias
    return record.value_and_derivative(y, out=(y, d), backend=backend)


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


def dense_backward(dy, d, x, weight, *, backend="compiled", out=None):
    """The gradients of one dense layer.

    Parameters
    ----------
    dy : array_like, shape (batch, fan_out)
        Gradient of the loss with respect to the layer's output y.
    d : array_like, shape (batch, fan_out)
        phi'(z), from :func:`dense_forward`.
    x : array_like, shape (batch, fan_in)
    weight : array_like, shape (fan_in, fan_out)
    backend : {"compiled", "numba", "numpy"}
        What runs the layer: "numba" and "numpy" take NumPy's matrix products.
    out : (ndarray, ndarray, ndarray), optional
        Where to put dx, dweight and dbias, of the results' shapes and dtype.

    Returns
    -------
    dx : ndarray, shape (batch, fan_in)
    dweight : ndarray, shape (fan_in, fan_out)
    dbias : ndarray, shape (fan_out,)

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
    x = matrix("x", x, (None, None))
    weight = matrix("weight", weight, (x.shape[1], None))
    dy = matrix("dy", dy, (x.shape[0], weight.shape[1]))
    d = matrix("d", d, dy.shape)
    dtype = np.result_type(x, weight, dy, d)
    if out is not None:
        out = _outputs(out, {"dx": x.shape, "dweight": weight.shape, "dbias": weight.shape[1:]}, dtype)
    if backend == "compiled":
        found = compiled.dense_backward(*(np.ascontiguousarray(array, dtype) for array in (dy, d, x, weight)))
    found = found or affine_backward(dy * d, x, weight)  # y = phi(z), d = phi'(z)
    if out is None:
        return found
    for array, result in zip(out, found, strict=True):
        array[...] = result
    return out
