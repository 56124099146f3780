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


X, W, B = np.ones((3, 2)), np.ones((2, 4)), np.ones(4)
Y = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dense_forward(X[0], W, B, "relu"), ValueError, "x must have shape (any, any), got (2,)"),
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
