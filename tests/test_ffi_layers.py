"""The table's functions of layers: weights drawn, dense layers and whole networks, through ctypes."""

import ctypes
import math

import numpy as np
import pytest

import fastgrad
from fastgrad import draws, ffi

TYPES = {"f32": np.float32, "f64": np.float64}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("number", "name"), [(0, "torch_linear"), (1, "he_normal"), (2, "lecun_normal")])
def test_draws_are_the_initializers_numbers(number, name, dtype):
    rule = fastgrad.initializer(name)
    true = rule.weight((24, 50), 7, TYPES[dtype])
    key = np.random.SeedSequence(7).generate_state(4)
    std = np.sqrt(rule.weight_variance(24, 50))
    scale = std * (np.sqrt(3), 1, 1 / draws.TRUNCATED_STD)[number]
    out = np.empty(24 * 50, TYPES[dtype])
    draw = ffi.table().draw
    for first in (0, 512):
        count = min(512, out.size) if first == 0 else out.size - first
        assert draw(number, out.itemsize, key.ctypes.data, 0, first, scale, count, out[first:].ctypes.data) == 0
    np.testing.assert_array_equal(out.reshape(24, 50), true)
    assert draw(3, out.itemsize, key.ctypes.data, 0, 0, 1.0, 1, out.ctypes.data) == -2
    assert draw(0, out.itemsize, key.ctypes.data, 0, 100, 1.0, 1, out.ctypes.data) == -2  # no multiple of 256
    np.testing.assert_array_equal(out.reshape(24, 50), true)


def addresses(arrays):
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


GUARD = 4096  # bytes behind a room, which nothing may touch


def network_arguments(net, X, y):
    """What the table's functions of a network have in common, and what must stay alive meanwhile."""
    sizes = np.array(net.sizes, np.uintp)
    X = np.ascontiguousarray(X, net.dtype)
    y = np.ascontiguousarray(y, np.int64 if net.loss == "cross_entropy" else net.dtype)
    layers = len(net.weights)
    needed = ffi.table().network_room(net.dtype.itemsize, layers, sizes.ctypes.data, len(X))
    room = np.full(needed + GUARD, 77, np.uint8)
    value = ctypes.c_double()
    arrays = addresses(net.weights), addresses(net.biases)
    number, parameter = ffi.number_and_parameter(net.activation)
    arguments = [number, net.dtype.itemsize, parameter, int(net.loss == "mse"), layers, sizes.ctypes.data, len(X)]
    arguments += [ctypes.addressof(a) for a in arrays]
    arguments += [X.ctypes.data, y.ctypes.data, room.ctypes.data, ctypes.addressof(value)]
    return arguments, value, (sizes, X, y, room, arrays)


NETWORKS = [
    ([5, 9, 7, 3], "tanh", "cross_entropy", 11),
    ([5, *[33] * 12, 4], "sigmoid", "cross_entropy", 40),
    ([7, 20, 20, 2], "elu", "mse", 1),
    ([16, *[48] * 60, 10], "sigmoid", "cross_entropy", 20),  # delta leaves float32's range
    ([4, 3, 2], "relu", "cross_entropy", 300),
    ([300, 310, 2], "tanh", "cross_entropy", 200),
]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("sizes", "activation", "loss", "batch"), NETWORKS)
def test_whole_networks(sizes, activation, loss, batch, dtype):
    net = fastgrad.MLP(sizes, activation, "xavier_normal", seed=3, dtype=TYPES[dtype], loss=loss, bias_std=0.1)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((batch, sizes[0])).astype(TYPES[dtype])
    y = rng.integers(0, sizes[-1], batch) if loss == "cross_entropy" else rng.standard_normal((batch, sizes[-1]))
    arguments, value, alive = network_arguments(net, X, y)
    true_loss, true = net.loss_and_gradients(X, y)
    dweights, dbiases = ([np.full_like(a, np.nan) for a in arrays] for arrays in (net.weights, net.biases))
    outs = addresses(dweights), addresses(dbiases)
    run = ffi.table().network_gradients
    assert run(*arguments, *(ctypes.addressof(out) for out in outs)) == 0
    assert value.value == true_loss
    for got, (dweight, dbias) in zip(zip(dweights, dbiases, strict=True), true, strict=True):
        np.testing.assert_array_equal(got[0], dweight)
        np.testing.assert_array_equal(got[1], dbias)

    profile = net.gradient_profile(X, y)
    delta, dweight = np.empty((2, len(sizes) - 1))
    run = ffi.table().network_profile
    assert run(*arguments, delta.ctypes.data, dweight.ctypes.data) == 0
    np.testing.assert_allclose(delta, profile.log10_delta, rtol=1e-13)
    np.testing.assert_allclose(dweight, profile.log10_weight_gradient, rtol=1e-13)
    assert (alive[3][-GUARD:] == 77).all()


@pytest.mark.parametrize(
    ("position", "wrong", "error"),
    [(0, 9, -1), (1, 2, -2), (3, 2, -2), (4, 1, -2), (6, 0, -2)],
    ids=["phi", "item", "loss", "layers", "batch"],
)
def test_wrong_networks_are_refused(position, wrong, error):
    net = fastgrad.MLP([3, 4, 2])
    arguments, _, alive = network_arguments(net, np.ones((2, 3)), [0, 1])
    delta, dweight = np.empty((2, 2))
    run = ffi.table().network_profile
    assert run(*arguments, delta.ctypes.data, dweight.ctypes.data) == 0
    arguments[position] = wrong
    assert run(*arguments, delta.ctypes.data, dweight.ctypes.data) == error
    assert alive


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_out_of_range_is_refused(label):
    net = fastgrad.MLP([3, 4, 2])
    arguments, _, alive = network_arguments(net, np.ones((2, 3)), [0, label])
    delta, dweight = np.empty((2, 2))
    assert ffi.table().network_profile(*arguments, delta.ctypes.data, dweight.ctypes.data) == -2
    assert alive


def test_no_samples_need_no_division():
    sizes = np.array([3, 4, 2], np.uintp)
    assert ffi.table().network_room(4, 2, sizes.ctypes.data, 0) > 0
    assert ffi.table().dense_room(4, 3, 3, 0) > 0


@pytest.mark.parametrize("number", [3e38, math.inf, math.nan])
def test_weights_that_a_profile_cannot_have_are_said(number):
    net = fastgrad.MLP([3, 4, 2])
    net.weights[1][0, 0] = number
    arguments, _, alive = network_arguments(net, np.ones((2, 3)), [0, 1])
    delta, dweight = np.empty((2, 2))
    assert ffi.table().network_profile(*arguments, delta.ctypes.data, dweight.ctypes.data) == -3
    assert alive


def test_a_signal_out_of_range_is_said():
    net = fastgrad.MLP([3, *[32] * 150, 2], "relu", "xavier_normal")  # 23 decades
    arguments, _, alive = network_arguments(net, np.ones((2, 3)), [0, 1])
    delta, dweight = np.empty((2, 151))
    assert ffi.table().network_profile(*arguments, delta.ctypes.data, dweight.ctypes.data) == -3
    assert alive


GEMM = {"f32": ctypes.c_float, "f64": ctypes.c_double}


def host_gemm(dtype, seen):
    """NumPy's matrix product as the table calls the host's; ``seen`` collects the shapes."""
    pointer = ctypes.POINTER(GEMM[dtype])
    sizes = [ctypes.c_size_t] * 3

    @ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, *sizes, pointer, pointer, pointer
    )
    def gemm(context, item, transpose_a, transpose_b, m, n, k, a, b, c):
        assert (context, item) == (77, np.dtype(TYPES[dtype]).itemsize)
        seen.append((m, n, k))
        a = np.ctypeslib.as_array(a, (k, m)).T if transpose_a else np.ctypeslib.as_array(a, (m, k))
        b = np.ctypeslib.as_array(b, (n, k)).T if transpose_b else np.ctypeslib.as_array(b, (k, n))
        np.ctypeslib.as_array(c, (m, n))[...] = a @ b

    return gemm


@pytest.mark.parametrize("host", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("batch", "fan_in", "fan_out"), [(1, 1, 1), (5, 7, 3), (33, 20, 65), (100, 64, 16), (9, 130, 40)]
)
def test_a_dense_layer(batch, fan_in, fan_out, dtype, host):
    rng = np.random.default_rng(batch)
    x, weight, bias, dy = (
        rng.standard_normal(shape).astype(TYPES[dtype])
        for shape in ((batch, fan_in), (fan_in, fan_out), fan_out, (batch, fan_out))
    )
    table, seen = ffi.table(), []
    room = np.full(table.dense_room(x.itemsize, batch, fan_in, fan_out) + 1, 7, np.uint8)
    gemm = ctypes.cast(host_gemm(dtype, seen), ctypes.c_void_p) if host else None  # keeps the function alive
    y, d = np.empty_like(dy), np.empty_like(dy)
    dx, dweight, dbias = (np.full_like(a, np.nan) for a in (x, weight, bias))
    sizes = batch, fan_in, fan_out
    at = {name: array.ctypes.data for name, array in locals().items() if isinstance(array, np.ndarray)}
    forward = [at[name] for name in ("x", "weight", "bias", "y", "d", "room")]
    assert table.dense_forward(4, x.itemsize, 0.5, *sizes, *forward, gemm, 77) == 0
    backward = [at[name] for name in ("dy", "d", "x", "weight", "dx", "dweight", "dbias", "room")]
    assert table.dense_backward(x.itemsize, *sizes, *backward, gemm, 77) == 0
    assert room[-1] == 7  # nothing is written beyond the room
    assert len(seen) == (3 if host else 0)
    z = x.astype(np.float64) @ weight + bias
    true_d = fastgrad.elu_derivative(z, 0.5)
    dz = dy * true_d
    wanted = {"y": fastgrad.elu(z, 0.5), "d": true_d, "dx": dz @ weight.T, "dweight": x.T @ dz, "dbias": dz.sum(0)}
    for name, got in {"y": y, "d": d, "dx": dx, "dweight": dweight, "dbias": dbias}.items():
        error = np.max(np.abs(got - wanted[name]))
        assert error <= np.finfo(TYPES[dtype]).eps * 40 * np.max(np.abs(wanted[name])), name
    if not host:
        own_y, own_d = fastgrad.dense_forward(x, weight, bias, fastgrad.activation("elu", alpha=0.5))
        np.testing.assert_array_equal(y, own_y)
        for got, own in zip((dx, dweight, dbias), fastgrad.dense_backward(dy, own_d, x, weight), strict=True):
            np.testing.assert_array_equal(got, own)


def test_wrong_layers_are_refused():
    forward, backward = ffi.table().dense_forward, ffi.table().dense_backward
    assert forward(5, 4, 0.0, 1, 1, 1, *[None] * 8) == -1
    assert forward(0, 4, 0.0, 0, 1, 1, *[None] * 8) == -2
    assert backward(4, 1, 0, 1, *[None] * 10) == -2
