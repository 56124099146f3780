"""One layer against complex-step derivatives of formulas written out here; one clear error per mistake."""

import re

import numpy as np
import pytest
from checks_network import COMPLEX, LIMIT, assert_close

from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.dense import affine_backward, affine_forward, dense_backward, dense_forward

BACKENDS = ["compiled", "numba", "numpy"]


def complex_step(function, array):
    """The gradient of a real scalar function at ``array``."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        moved = array.astype(np.complex128)
        moved[index] += 1e-30j
        gradient[index] = function(moved).imag / 1e-30
    return gradient


@pytest.fixture
def layer(request):
    rng = np.random.default_rng(4)
    x, weight, bias, c = (rng.standard_normal(shape) for shape in ((6, 5), (5, 4), 4, (6, 4)))
    return x, weight, bias, c


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_against_complex_step(name, dtype, backend, layer):
    if backend == "numba":
        pytest.importorskip("numba")
    x, weight, bias, c = (a.astype(dtype) for a in layer)
    y, d = dense_forward(x, weight, bias, name, backend=backend)
    gradients = dense_backward(c, d, x, weight, backend=backend)
    assert {y.dtype, d.dtype, *(g.dtype for g in gradients)} == {np.dtype(dtype)}

    x, weight, bias, c = (a.astype(np.float64) for a in (x, weight, bias, c))
    phi = COMPLEX[name]
    assert_close(y, phi(x @ weight + bias + 0j).real, LIMIT[dtype])
    assert_close(gradients[0], complex_step(lambda a: np.sum(c * phi(a @ weight + bias)), x), LIMIT[dtype])
    assert_close(gradients[1], complex_step(lambda a: np.sum(c * phi(x @ a + bias)), weight), LIMIT[dtype])
    assert_close(gradients[2], complex_step(lambda a: np.sum(c * phi(x @ weight + a)), bias), LIMIT[dtype])


def test_the_test_sees_a_wrong_derivative(layer):
    x, weight, bias, c = layer
    y, d = dense_forward(x, weight, bias, "tanh", backend="numpy")
    want = complex_step(lambda a: np.sum(c * np.tanh(x @ a + bias)), weight)
    for wrong in (d * (1 + 1e-8), 1 - y, np.full_like(d, np.nan)):
        with pytest.raises(AssertionError):
            assert_close(dense_backward(c, wrong, x, weight, backend="numpy")[1], want, LIMIT["float64"])


def test_derivative_comes_from_z_not_from_y():
    """At z = 12 the float32 tanh is 1, and 1 - y*y would be 0."""
    one = np.ones((1, 1), np.float32)
    y, d = dense_forward(12 * one, one, np.zeros(1, np.float32), "tanh", backend="numpy")
    assert y[0, 0] == 1.0
    assert abs(d[0, 0] / (4 * np.exp(-24.0)) - 1) <= 1e-6


def test_parameters_records_lists_and_mixed_types(layer):
    x, weight, bias, _ = layer
    y, _ = dense_forward(x, weight, bias, activation("elu", alpha=0.5), backend="numpy")
    z = x @ weight + bias
    assert_close(y, np.where(z > 0, z, 0.5 * np.expm1(np.minimum(z, 0))), 1e-14)
    assert dense_forward([[1, 2]], [[1], [1]], [3], "relu", backend="numpy")[0].tolist() == [[6.0]]
    single = [a.astype(np.float32) for a in (x, weight, bias)]
    assert dense_forward(*single, "relu", backend="numpy")[0].dtype == np.float32
    assert dense_forward(single[0], weight, single[2], "relu", backend="numpy")[0].dtype == np.float64


def test_inputs_are_left_alone_and_out_is_used(layer):
    x, weight, bias, c = layer
    before = [a.copy() for a in layer]
    out = np.empty_like(c), np.empty_like(c)
    y, d = dense_forward(x, weight, bias, "sigmoid", out=out, backend="numpy")
    assert y is out[0]
    assert d is out[1]
    kept = d.copy()
    dense_backward(c, d, x, weight, backend="numpy")
    assert all(np.array_equal(a, b) for a, b in zip(layer, before, strict=True))
    assert np.array_equal(d, kept)
    for a, b in zip((y, d), dense_forward(x, weight, bias, "sigmoid", backend="numpy"), strict=True):
        assert np.array_equal(a, b)


def test_affine(layer):
    x, weight, bias, c = layer
    assert np.array_equal(affine_forward(x, weight, bias), x @ weight + bias)
    dx, dweight, dbias = affine_backward(c, x, weight)
    assert_close(dx, complex_step(lambda a: np.sum(c * (a @ weight + bias)), x), 1e-12)
    assert_close(dweight, complex_step(lambda a: np.sum(c * (x @ a + bias)), weight), 1e-12)
    assert_close(dbias, complex_step(lambda a: np.sum(c * (x @ weight + a)), bias), 1e-12)
    assert affine_backward(c, x, weight, need_dx=False)[0] is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_bias(backend, layer):
    x, weight, bias, c = layer
    for dtype in ("float64", "float32", "float16"):
        single = [array.astype(dtype) for array in (x, weight, 0 * bias)]
        got, want = dense_forward(*single[:2], backend=backend), dense_forward(*single, "tanh", backend=backend)
        for mine, theirs in zip(got, want, strict=True):
            assert mine.dtype == dtype
            assert np.array_equal(mine, theirs)
    y, d = dense_forward(x, weight, activation="elu", backend=backend)
    assert_close(y, COMPLEX["elu"](x @ weight + 0j).real, 1e-12)
    assert_close(dense_backward(c, d, x, weight, backend=backend)[2], (c * d).sum(axis=0), 1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("axes", [(), (6,), (2, 3), (3, 1, 2), (2, 0)])
def test_leading_axes_are_kept(axes, backend, dtype, layer):
    """A sequence of vectors is a batch: what is summed over the rows is summed over all leading axes."""
    rows = int(np.prod(axes))
    x, weight, bias, c = (array.astype(dtype) for array in layer)
    x, c = x[:rows], c[:rows]
    y, d = dense_forward(x, weight, bias, "sigmoid", backend=backend)
    gradients = dense_backward(c, d, x, weight, backend=backend)
    deep, c, d = (array.reshape(*axes, array.shape[1]) for array in (x, c, d))
    assert dense_forward(deep, weight, bias, "sigmoid", backend=backend)[0].dtype == dtype
    out = np.full((2, *axes, 8), np.nan, dtype)[..., ::2]  # not as C writes it
    for given in (None, out, np.full((2, *axes, 4), np.nan, dtype)):
        got = dense_forward(deep, weight, bias, "sigmoid", backend=backend, out=given)
        assert given is None or np.shares_memory(got[0], given) or not rows
        assert np.array_equal(got[0], y.reshape(*axes, 4))
        assert np.array_equal(got[1], d)
    turned = np.asfortranarray(np.full(deep.shape, np.nan, dtype))
    for given in (None, (turned, np.empty_like(weight), np.empty_like(bias))):
        got = dense_backward(c, d, deep, weight, backend=backend, out=given)
        assert given is None or got[0] is turned
        assert got[0].shape == deep.shape
        for mine, theirs in zip(got, gradients, strict=True):
            assert np.array_equal(mine.ravel(), theirs.ravel())


@pytest.mark.parametrize("backend", BACKENDS)
def test_float16_is_computed_in_float32_and_rounded_once(backend):
    # z = 2^-11 + 1 - 1: in float16 the sum is 0
    x, weight = np.array([[2**-11, 1, -1]], np.float16), np.ones((3, 1), np.float16)
    y, d = dense_forward(x, weight, np.zeros(1, np.float16), "relu", backend=backend)
    assert (y.dtype, d.dtype) == (np.float16, np.float16)
    assert (y.item(), d.item()) == (2**-11, 1.0)
    # dy d = 2^-26 is 0 in float16, and what it gives is not
    small = np.full((4096, 1), 2.0**-13, np.float16)
    x = np.full((4096, 3), 2.0**-6, np.float16)
    dx, dweight, dbias = dense_backward(small, small, x, 1024 * weight, backend=backend)
    assert {array.dtype for array in (dx, dweight, dbias)} == {np.dtype(np.float16)}
    assert (dx == 2**-16).all()
    assert (dweight == 2**-20).all()
    assert (dbias == 2**-14).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_float16_results_are_those_of_float32_rounded(backend, layer):
    x, weight, bias, c = (array.astype(np.float16) for array in layer)
    wide = [array.astype(np.float32) for array in (x, weight, bias)]
    y, d = dense_forward(x, weight, bias, activation("elu", alpha=0.3), backend=backend)
    for mine, theirs in zip((y, d), dense_forward(*wide, activation("elu", alpha=0.3), backend=backend), strict=True):
        assert np.array_equal(mine, theirs.astype(np.float16))
    got = dense_backward(c, d, x, weight, backend=backend)
    want = dense_backward(c.astype(np.float32), d.astype(np.float32), *wide[:2], backend=backend)
    for mine, theirs in zip(got, want, strict=True):
        assert np.array_equal(mine, theirs.astype(np.float16))
    huge = np.full((1, 5), 6e4, np.float16)
    assert np.isinf(dense_forward(huge, abs(weight), bias, "relu", backend=backend)[0]).all()  # and no warning


def test_mixed_types_have_numpys_common_one(layer):
    x, weight, bias, c = layer
    for types in (["e", "f", "e", "f"], ["e", "e", "d", "d"], ["f", "e", "f", "f"], ["e", "e", "i", "d"]):
        *given, result = types
        arrays = [array.astype(dtype) for array, dtype in zip((x, weight, bias), given, strict=True)]
        y, d = dense_forward(*arrays, "tanh")
        assert (y.dtype, d.dtype) == (result, result)
        want, _ = dense_forward(*(array.astype(result) for array in arrays), "tanh")
        assert np.array_equal(y, want)
        dtype = np.result_type(d, *arrays[:2])
        assert {array.dtype for array in dense_backward(c.astype("e"), d, *arrays[:2])} == {dtype}


X, W, B = np.ones((3, 2)), np.ones((2, 4)), np.ones(4)
Y = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dense_forward(1.0, W, B, "relu"), ValueError, "x must have shape (..., fan_in), got ()"),
        (lambda: dense_forward(X[0, :1], W, B, "relu"), ValueError, "weight must have shape (1, any), got (2, 4)"),
        (lambda: dense_forward(X, W[0], B, "relu"), ValueError, "weight must have shape (2, any), got (4,)"),
        (lambda: dense_backward(Y, Y, X[:, None], W), ValueError, "dy must have shape (3, 1, 4), got (3, 4)"),
        (
            lambda: dense_forward(X[:, None], W, B, "relu", out=(Y, Y)),
            ValueError,
            "out's y must have shape (3, 1, 4), got (3, 4)",
        ),
        (lambda: dense_backward(Y, None, X, W), TypeError, "d must be an array, got None"),
        (lambda: dense_forward(X, W.T, B, "relu"), ValueError, "weight must have shape (2, any), got (4, 2)"),
        (lambda: dense_forward(X, W, B[:2], "relu"), ValueError, "bias must have shape (4,), got (2,)"),
        (lambda: dense_forward(X, W, B[None], "relu"), ValueError, "bias must have shape (4,), got (1, 4)"),
        (
            lambda: dense_forward(X * 1j, W, B, "relu"),
            TypeError,
            "x must hold real numbers, got dtype complex128",
        ),
        (lambda: dense_forward(X, W.astype(object), B, "relu"), TypeError, "weight must hold real numbers"),
        (
            lambda: dense_forward(X, W, B, "rleu"),
            ValueError,
            "unknown activation 'rleu'; did you mean 'relu'?",
        ),
        (lambda: dense_forward(X, W, B, "relu", backend="cuda"), ValueError, "unknown backend 'cuda'"),
        (
            lambda: dense_forward(X, W, B, "relu", out=(Y, X)),
            ValueError,
            "out's d must have shape (3, 4), got (3, 2)",
        ),
        (
            lambda: dense_forward(X, W, B, "relu", out=(Y.astype("float32"), Y)),
            TypeError,
            "out's y must have dtype float64, got float32",
        ),
        (
            lambda: dense_backward(Y, Y[:1], X, W, backend="numpy"),
            ValueError,
            "d must have shape (3, 4), got (1, 4)",
        ),
        (
            lambda: dense_backward(Y[:2], Y, X, W, backend="numpy"),
            ValueError,
            "dy must have shape (3, 4), got (2, 4)",
        ),
        (
            lambda: dense_backward(Y, Y, X, W.T, backend="numpy"),
            ValueError,
            "weight must have shape (2, any)",
        ),
        (lambda: dense_backward(Y, Y * 1j, X, W, backend="numpy"), TypeError, "d must hold real numbers"),
        (lambda: dense_backward(Y, Y, X, W, backend="cuda"), ValueError, "unknown backend 'cuda'"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_out_may_be_one_array_of_two():
    both = np.empty((2, 3, 4))
    y, d = dense_forward(X, W, B, "tanh", out=both)
    assert np.array_equal(both, dense_forward(X, W, B, "tanh"))
    assert np.shares_memory(y, both)
    assert np.shares_memory(d, both)
