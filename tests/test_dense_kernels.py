"""The compiled dense layer, on every instruction set, against float64 NumPy within the error bound of a sum."""

import emulated
import numpy as np
import pytest

import fastgrad
from fastgrad.kernels import compiled

# batch, fan_in, fan_out: one of each, around every vector length, more rows than a panel, wide and narrow
SHAPES = [
    (1, 1, 1),
    (1, 64, 64),
    (2, 1, 3),
    (3, 2, 1),
    (7, 17, 15),
    (16, 16, 16),
    (33, 31, 49),
    (130, 12, 20),
    (9, 70, 300),
]
each = [
    pytest.mark.parametrize("cpu", compiled.SETS),
    pytest.mark.parametrize("dtype", ["float32", "float64"]),
    pytest.mark.parametrize("shape", SHAPES, ids=str),
]


def everywhere(test):
    for mark in each:
        test = mark(test)
    return test


def made(shape, dtype, scale=1.0):
    batch, fan_in, fan_out = shape
    rng = np.random.default_rng(sum(shape))
    x, weight, bias, dy, d = (
        rng.standard_normal(s) for s in ((batch, fan_in), (fan_in, fan_out), fan_out, *[(batch, fan_out)] * 2)
    )
    return [(a * s).astype(dtype) for a, s in ((x, scale), (weight, 1 / scale), (bias, 1), (dy, scale), (d, 1 / scale))]


def bound(terms, dtype):
    """Of a sum of so many products: gamma_n of Higham 2002, section 3.1, and a few roundings more."""
    return (terms + 4) * float(np.finfo(dtype).eps)


@everywhere
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_forward(cpu, dtype, shape, scale):
    x, weight, bias, *_ = made(shape, dtype, scale)
    y, d = compiled.dense_forward(x, weight, bias, "relu", cpu=cpu)
    wide = [a.astype(np.float64) for a in (x, weight, bias)]
    z, size = wide[0] @ wide[1] + wide[2], np.abs(wide[0]) @ np.abs(wide[1]) + np.abs(wide[2])
    error = bound(shape[1], dtype) * size
    assert (np.abs(y - np.maximum(z, 0)) <= error).all()
    sure = np.abs(z) > error
    np.testing.assert_array_equal(d[sure], (z > 0)[sure])


@everywhere
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_backward(cpu, dtype, shape, scale):
    x, weight, _, dy, d = made(shape, dtype, scale)
    got = compiled.dense_backward(dy, d, x, weight, cpu=cpu)
    x, weight, dz = (a.astype(np.float64) for a in (x, weight, dy * d))
    true = dz @ weight.T, x.T @ dz, dz.sum(axis=0)
    size = np.abs(dz) @ np.abs(weight.T), np.abs(x.T) @ np.abs(dz), np.abs(dz).sum(axis=0)
    for mine, exact, most, terms in zip(got, true, size, (shape[2], shape[0], shape[0]), strict=True):
        assert (np.abs(mine - exact) <= bound(terms, dtype) * most).all()


@everywhere
def test_nan_and_infinity_go_where_numpy_lets_them_go(cpu, dtype, shape):
    x, weight, bias, *_ = made(shape, dtype)
    for odd in (np.nan, np.inf):
        x[-1, 0], weight[-1, 0] = odd, odd
        y, _ = compiled.dense_forward(x, weight, bias, "leaky_relu", cpu=cpu)
        with np.errstate(invalid="ignore"):
            z = x @ weight + bias
            expected = fastgrad.leaky_relu(z)
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected))
        np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))


@pytest.mark.parametrize("activation", fastgrad.ACTIVATIONS)
@pytest.mark.parametrize("shape", [(33, 31, 49), (700, 400, 300)], ids=str)  # ours, and left to BLAS
def test_public_functions_agree_with_the_numpy_backend(activation, shape):
    x, weight, bias, dy, _ = made(shape, "float64")
    y, d = fastgrad.dense_forward(x, weight, bias, activation)
    for mine, theirs in zip((y, d), fastgrad.dense_forward(x, weight, bias, activation, backend="numpy"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    grads = fastgrad.dense_backward(dy, d, x, weight)
    for mine, theirs in zip(grads, fastgrad.dense_backward(dy, d, x, weight, backend="numpy"), strict=True):
        assert np.linalg.norm(mine - theirs) <= 1e-13 * np.linalg.norm(theirs)
    assert (compiled.dense_forward(x, weight, bias, activation) is None) == (
        x.size * bias.size > compiled.MOST_PRODUCTS
    )


def test_arrays_of_any_layout_give_the_same_numbers():
    x, weight, bias, dy, d = made((9, 17, 21), "float32")
    y = fastgrad.dense_forward(x, weight, bias, "tanh")
    grads = fastgrad.dense_backward(dy, d, x, weight)
    read_only = x.copy()
    read_only.flags.writeable = False
    big_endian, misaligned = (
        x.astype(">f4"),
        np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("f4").reshape(x.shape),
    )
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], read_only, big_endian, misaligned, x.tolist()):
        if isinstance(other, list):
            other = np.array(other, np.float32)
        for mine, expected in zip(fastgrad.dense_forward(other, weight, bias, "tanh"), y, strict=True):
            np.testing.assert_array_equal(mine, expected)
        for mine, expected in zip(fastgrad.dense_backward(dy, d, other, weight), grads, strict=True):
            np.testing.assert_array_equal(mine, expected)


def test_out_may_be_an_input():
    x, weight, bias, *_ = made((9, 17, 17), "float64")
    expected = fastgrad.dense_forward(x, weight, bias, "tanh")
    got = fastgrad.dense_forward(x, weight, bias, "tanh", out=(x, np.empty_like(x)))
    assert got[0] is x
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)


@pytest.mark.parametrize("backend", ["compiled", "numba", "numpy"])
def test_out_may_be_the_bias(backend):
    """It was added to itself."""
    x, weight, bias, *_ = made((1, 17, 17), "float64")
    expected = fastgrad.dense_forward(x, weight, bias, "tanh", backend=backend)
    got = fastgrad.dense_forward(x, weight, bias, "tanh", backend=backend, out=(bias[None], np.empty_like(x)))
    assert np.shares_memory(got[0], bias)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("shape", [(9, 17, 17), (40, 300, 21)], ids=str)
def test_backward_writes_to_out(backend, shape):
    x, weight, _, dy, d = made(shape, "float32")
    expected = fastgrad.dense_backward(dy, d, x, weight, backend=backend)
    out = tuple(np.full_like(array, np.nan) for array in expected)
    turned = np.asfortranarray(out[1])  # not as C writes it
    for given in (out, (out[0], turned, out[2]), list(out)):
        got = fastgrad.dense_backward(dy, d, x, weight, backend=backend, out=given)
        for mine, theirs, asked in zip(got, expected, given, strict=True):
            assert mine is asked
            np.testing.assert_array_equal(mine, theirs)
    over_inputs = x.copy(), weight.copy()
    got = fastgrad.dense_backward(dy, d, *over_inputs, backend=backend, out=(*over_inputs, out[2]))
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("cpu", emulated.MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_other_processors_layers_and_random_numbers(cpu, dtype, shape):
    x, weight, bias, dy, _ = made(shape, dtype)
    *got, normals = emulated.dense(cpu, x, weight, bias, dy)
    y, d = compiled.dense_forward(x, weight, bias, "tanh")
    expected = y, d, *compiled.dense_backward(dy, d, x, weight)
    for mine, theirs in zip(got, expected, strict=True):
        assert np.linalg.norm(mine - theirs) <= bound(sum(shape), dtype) * np.linalg.norm(theirs)
    drawn = np.empty_like(x)
    compiled.fill(drawn, np.array([1, 2, 3, 4], np.uint32), 3, "normal", 1.0)
    np.testing.assert_array_equal(normals, drawn)
