"""The compiled pass through a whole network, on every instruction set, against float64 NumPy."""

import emulated
import numpy as np
import pytest
from checks_network import PHI, SLOPE

import fastgrad
from fastgrad.kernels import compiled

# batch, sizes: one row, one column, widths and batches around every vector length, more than a panel of 24 rows
SHAPES = [
    (1, [1, 1, 2]),
    (1, [5, 3, 4]),
    (2, [3, 1, 1, 2]),
    (7, [9, 25, 6, 8, 3]),
    (16, [16, 24, 16, 10]),
    (17, [33, 31, 49, 15, 5]),
    (40, [8, 70, 30, 10]),
    (130, [12, 20, 20, 3]),
    (200, [30, 260, 260, 5]),  # several panels of Gram matrices
]
each = [
    pytest.mark.parametrize("cpu", compiled.SETS),
    pytest.mark.parametrize("dtype", ["float32", "float64"]),
    pytest.mark.parametrize(("batch", "sizes"), SHAPES, ids=str),
]


def everywhere(test):
    for mark in each:
        test = mark(test)
    return test


def made(batch, sizes, dtype, activation="tanh", loss="cross_entropy", scale=1.0):
    net = fastgrad.MLP(sizes, activation, "he_normal", 3, dtype, loss, bias_std=0.1, backend="numpy")
    rng = np.random.default_rng(batch)
    X = (scale * rng.standard_normal((batch, sizes[0]))).astype(dtype)
    if loss == "mse":
        return net, X, rng.standard_normal((batch, sizes[-1])).astype(dtype)
    return net, X, rng.integers(0, sizes[-1], batch)


def in_float64(net):
    """The same parameters in a float64 network on the NumPy backend."""
    twin = fastgrad.MLP(net.sizes, net.activation, dtype="float64", loss=net.loss, backend="numpy")
    twin.weights = [w.astype(np.float64) for w in net.weights]
    twin.biases = [b.astype(np.float64) for b in net.biases]
    return twin


def run(net, X, y, cpu, measured=False, gradients=False, threshold=0.0):
    act, labels = net.activation, net.loss == "cross_entropy"
    room = compiled.NetworkPass(net.sizes, len(X), net.dtype, act.name, act.parameter, labels, threshold, False, cpu)
    into = compiled.gradient_arrays(net.sizes, net.dtype) if gradients else None
    found = room.run(net.weights, net.biases, X, y, measured, into)
    return found and (*found, *(into or ((), ())))


@everywhere
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_gradients(cpu, dtype, batch, sizes, loss):
    """Relative to each tensor's norm: the terms of a sum may cancel, so its elements have no relative bound."""
    net, X, y = made(batch, sizes, dtype, loss=loss)
    true_loss, true = in_float64(net).loss_and_gradients(X.astype(np.float64), y)
    got_loss, _, _, dweights, dbiases = run(net, X, y, cpu, gradients=True)
    unit = np.finfo(dtype).eps * 8 * (max(*sizes, batch) + len(sizes))
    assert abs(got_loss - true_loss) <= unit * abs(true_loss)
    for layer, (dweight, dbias) in enumerate(true):
        assert np.linalg.norm(dweights[layer] - dweight) <= unit * np.linalg.norm(dweight)
        assert np.linalg.norm(dbiases[layer] - dbias) <= unit * np.linalg.norm(dbias)


@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-3, 1e-4])
def test_the_size_of_dl_dw_where_samples_cancel(cpu, apart):
    """Two samples almost alike with opposite errors: dL/dW is a small difference of large terms.

    Gram matrices are off by half of FG_GRAM_ERROR at most, and float32 by some roundings over the difference.
    """
    net, X, _ = made(2, [64, 64, 64, 4], "float32", loss="mse")
    X[1] = X[0] + apart * X[1]
    twin = in_float64(net)
    errors = np.array([[1.0], [-1.0]])
    y = (twin.forward(X.astype(np.float64)) + errors).astype(np.float32)
    _, statistics, exponents, _, _ = run(net, X, y, cpu, measured=True)
    _, true = twin.loss_and_gradients(X.astype(np.float64), y.astype(np.float64))
    limit = 2.0**-8 + 16 * np.finfo(np.float32).eps / apart
    for layer, (dweight, _) in enumerate(true):
        got = np.sqrt(statistics[6, layer]) * 2.0 ** exponents[layer]
        assert abs(got / np.linalg.norm(dweight) - 1) <= limit


@pytest.mark.parametrize("seed", range(60))
def test_a_profile_has_the_dl_dw_of_the_product_however_alike_the_samples_are(seed):
    """Shapes, activations and data at random, errors that sum to 0: what float32 then has left, the profile has too."""
    rng = np.random.default_rng(seed)
    sizes = [*rng.integers(20, 90, rng.integers(2, 6)).tolist(), 4]
    net = fastgrad.MLP(sizes, str(rng.choice(fastgrad.ACTIVATIONS)), "xavier_normal", seed, loss="mse", bias_std=0.1)
    X = rng.standard_normal((int(rng.integers(2, 40)), sizes[0]))
    X = (X[:1] + 10.0 ** rng.uniform(-3, 0) * (X - X[:1])).astype(np.float32)
    errors = rng.standard_normal((len(X), 4))
    y = (net.forward(X) + errors - errors.mean(axis=0)).astype(np.float32)
    squares = [np.mean(np.square(dweight, dtype=np.float64)) for dweight, _ in net.loss_and_gradients(X, y)[1]]
    found = net.gradient_profile(X, y).log10_weight_gradient
    assert (np.abs(10.0**found / np.sqrt(squares) - 1) <= 2.0**-8).all()


@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize(("apart", "gram"), [(1.0, True), (1e-4, False)])
def test_gram_matrices_serve_where_samples_do_not_cancel(cpu, apart, gram):
    """They are there for speed: their rounding differs from that of the product, which takes their place."""
    net, X, _ = made(2, [64, 64, 64, 4], "float32", loss="mse")
    X[1] = X[0] + apart * X[1]
    y = (net.forward(X) + np.array([[1.0], [-1.0]])).astype(np.float32)
    measured, product = (run(net, X, y, cpu, measured=True, gradients=wanted)[1][6] for wanted in (False, True))
    assert (measured != product).any() == gram


def deltas(net, X, y):
    """dL/dz of every layer, of a cross-entropy network with float64 parameters, by formulas of this file's own."""
    h, zs = X.astype(np.float64), []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        zs.append(h @ weight + bias)
        h = np.vectorize(PHI[net.activation.name], otypes=[float])(zs[-1])
    p = np.exp(zs[-1] - zs[-1].max(axis=1, keepdims=True))
    delta = p / p.sum(axis=1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    found = [delta / len(y)]
    for z, weight in zip(zs[-2::-1], net.weights[:0:-1], strict=True):
        found.insert(0, found[0] @ weight.T * np.vectorize(SLOPE[net.activation.name], otypes=[float])(z))
    return found


@everywhere
@pytest.mark.parametrize("activation", fastgrad.ACTIVATIONS)
def test_statistics(cpu, dtype, batch, sizes, activation):
    net, X, y = made(batch, sizes, dtype, activation)
    threshold = 0.2
    _, statistics, exponents, *_ = run(net, X, y, cpu, measured=True, threshold=threshold)
    signal, signal_top, saturated, dead, delta, delta_top, gradient, weight_top, bias_top = statistics
    h, zs, ds = X, [], []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        zs.append(h @ weight + bias)
        h, d = net.activation.value_and_derivative(zs[-1], backend="numpy")
        ds.append(d)
    gradients = in_float64(net).loss_and_gradients(X.astype(np.float64), y)[1]
    bound = 1e-3 if dtype == "float32" else 1e-12
    near = {"rtol": bound, "atol": 0}
    np.testing.assert_allclose(signal, [np.sum(z.astype(np.float64) ** 2) for z in zs], **near)
    np.testing.assert_allclose(signal_top, [np.abs(z).max() for z in zs], **near)
    assert weight_top.tolist() == [np.abs(weight).max() for weight in net.weights]
    assert bias_top.tolist() == [np.abs(bias).max() for bias in net.biases]
    assert saturated[:-1].tolist() == [np.count_nonzero(d < threshold) for d in ds[:-1]]
    assert dead[:-1].tolist() == [np.count_nonzero(d.max(axis=0) == 0) for d in ds[:-1]]
    np.testing.assert_allclose(
        np.ldexp(gradient, 2 * exponents), [np.sum(dweight**2) for dweight, _ in gradients], **near
    )
    true = deltas(in_float64(net), X, y)
    np.testing.assert_allclose(np.ldexp(delta, 2 * exponents), [np.sum(d**2) for d in true], **near)
    np.testing.assert_allclose(np.ldexp(delta_top, exponents), [np.abs(d).max() for d in true], **near)


@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_adversarial_scales(cpu, dtype, scale):
    net, X, y = made(9, [7, 11, 6, 4], dtype, "relu", scale=scale)
    net.biases = [np.zeros_like(bias) for bias in net.biases]  # or all samples were alike, and delta's sums cancelled
    true_loss, true = in_float64(net).loss_and_gradients(X.astype(np.float64), y)
    got_loss, _, _, dweights, _ = run(net, X, y, cpu, gradients=True)
    unit = np.finfo(dtype).eps * 200
    assert abs(got_loss - true_loss) <= unit * abs(true_loss)
    for (dweight, _), got in zip(true, dweights, strict=True):
        assert np.linalg.norm(got - dweight) <= unit * np.linalg.norm(dweight)


@pytest.mark.parametrize("cpu", compiled.SETS)
def test_overflow_is_seen_and_not_measured(cpu):
    net, X, y = made(9, [7, 11, 6, 4], "float32", "relu")
    net.weights[1] = net.weights[1] * np.float32(1e30)
    assert run(net, X, y, cpu, measured=True) is None
    net.weights[1] = net.weights[1] * np.float32(np.nan)
    assert run(net, X, y, cpu, measured=True) is None
    assert np.isnan(run(net, X, y, cpu, gradients=True)[3][1]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_profile_is_that_of_the_layer_by_layer_pass(dtype):
    for activation in fastgrad.ACTIVATIONS:
        net, X, y = made(40, [8, *[24, 31, 17] * 10, 10], dtype, activation)
        slow = net.gradient_profile(X, y).to_dict()
        net.backend = "compiled"
        fast = net.gradient_profile(X, y).to_dict()
        for name, values in slow.items():
            if name.startswith(("log10", "saturated", "dead", "decades")):
                difference = np.max(np.abs(np.subtract(fast[name], values)))
                assert difference <= (1e-5 if dtype == "float32" else 1e-12), name
            else:
                assert fast[name] == values or name == "half_life"


@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [3, 40])
def test_parameters_that_are_not_finite_are_seen(cpu, odd, count):
    net, X, y = made(9, [5, count, 4], "float32", "tanh")
    net.biases[1][-1] = odd  # of the output layer: the loss alone sees it
    assert not np.isfinite(run(net, X, y, cpu, gradients=True)[0])
    net.backend = "compiled"
    with pytest.raises(ValueError, match="layer 2: biases must be finite"):
        net.gradient_profile(X, y)


def test_one_pass_object_serves_many_passes():
    net, X, y = made(40, [8, 24, 24, 10], "float32")
    into = compiled.gradient_arrays(net.sizes, net.dtype)
    room = compiled.NetworkPass(net.sizes, 40, net.dtype, "tanh", None, True)
    for batch in (X, -X, X):
        loss, *_ = room.run(net.weights, net.biases, batch, y, False, into)
        alone = run(net, batch, y, compiled.CPU, gradients=True)
        assert loss == alone[0]
        for mine, theirs in zip((*into[0], *into[1]), (*alone[3], *alone[4]), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("depth", [1, 2, 3, 8, 9, 10, 30])
def test_recomputed_layers_are_the_same_bits_in_less_memory(depth):
    widths = [24 + 5 * (layer % 3) for layer in range(depth)]
    net, X, y = made(40, [8, *widths, 10], "float32", "elu")
    rooms = [compiled.NetworkPass(net.sizes, 40, net.dtype, "elu", 1.0, True, 0.0, again) for again in (False, True)]
    arrays = [compiled.gradient_arrays(net.sizes, net.dtype) for _ in rooms]
    kept, again = (
        room.run(net.weights, net.biases, X, y, True, into) for room, into in zip(rooms, arrays, strict=True)
    )
    for mine, theirs in zip((*again, *arrays[1][0], *arrays[1][1]), (*kept, *arrays[0][0], *arrays[0][1]), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert depth < 30 or rooms[1].nbytes <= 0.7 * rooms[0].nbytes
    net.backend = "compiled"
    np.testing.assert_array_equal(
        net.gradient_profile(X, y, recompute=True).log10_delta, net.gradient_profile(X, y).log10_delta
    )


def test_threads_get_the_same_bits():
    from concurrent.futures import ThreadPoolExecutor

    net, X, y = made(40, [8, *[24] * 30, 10], "float32")
    alone = run(net, X, y, compiled.CPU, gradients=True)
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: run(net, X, y, compiled.CPU, gradients=True), range(64)):
            assert got[0] == alone[0]
            for mine, theirs in zip(got[3], alone[3], strict=True):
                np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("cpu", emulated.MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "sizes"), SHAPES, ids=str)
def test_other_processors(cpu, dtype, batch, sizes):
    net, X, y = made(batch, sizes, dtype)
    got_loss, log10_delta, log10_gradient, dweights, dbiases = emulated.network(cpu, net.weights, net.biases, X, y)
    true_loss, true = in_float64(net).loss_and_gradients(X.astype(np.float64), y)
    unit = np.finfo(dtype).eps * 8 * (max(*sizes, batch) + len(sizes))
    assert abs(got_loss - true_loss) <= unit * abs(true_loss)
    for layer, (dweight, dbias) in enumerate(true):
        assert np.linalg.norm(dweights[layer] - dweight) <= unit * np.linalg.norm(dweight)
        assert np.linalg.norm(dbiases[layer] - dbias) <= unit * np.linalg.norm(dbias)
    profile = in_float64(net).gradient_profile(X.astype(np.float64), y)
    assert np.max(np.abs(log10_delta - profile.log10_delta)) <= (1e-4 if dtype == "float32" else 1e-12)
    assert np.max(np.abs(log10_gradient - profile.log10_weight_gradient)) <= (1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("size", [1e8, 1e12, 1e19, 1e30])
@pytest.mark.parametrize("cpu", compiled.SETS)
def test_classes_that_lie_far_below_the_label_pass_nothing_on(cpu, size):
    """As in losses.py: the exponent of what they pass would not fit into 64 bits."""
    net = fastgrad.MLP([3, 4, 2], "relu", "he_normal", seed=0)
    net.biases[-1][:] = 0, -size
    X, y = np.ones((5, 3), np.float32), np.zeros(5, np.int64)
    loss, _, _, dweights, _ = run(net, X, y, cpu, gradients=True)
    assert loss == 0
    assert all(not dweight.any() for dweight in dweights)
