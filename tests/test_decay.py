"""Profiles: against mpmath beyond the float range, bit for bit against plain backpropagation within it."""

import json
import math
import pickle
import re

import numpy as np
import pytest
from checks_network import profile_close, raw_profile

import fastgrad
from fastgrad import exponents
from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.initializers import initializer
from fastgrad.network import MLP

BACKENDS = ["compiled", "numba", "numpy"]
TINY = initializer("normal", std=0.01)
HUGE = initializer("normal", std=30.0)


def data(n_in=20, n_out=10, batch=16, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, n_in)).astype(np.float32), rng.integers(0, n_out, batch)


def network(depth, width, activation="sigmoid", init="xavier_normal", n_in=20, n_out=10, **options):
    return MLP([n_in, *[width] * depth, n_out], activation, init, **{"backend": "numpy", **options})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("activation", "init", "depth", "options"),
    [
        ("sigmoid", "xavier_normal", 30, {"bias_std": 0.5}),
        ("sigmoid", TINY, 130, {}),  # delta is 1e-350
        ("tanh", TINY, 210, {}),  # so are the signal and delta
        ("tanh", TINY, 60, {"bias_std": 1e-20}),  # the signal levels off at 1e-20
        ("relu", TINY, 210, {"loss": "mse"}),
        ("relu", HUGE, 210, {}),  # the signal is 1e350
        ("relu", HUGE, 210, {"loss": "mse", "bias_std": 1.0}),
        ("leaky_relu", TINY, 210, {"bias_std": 1e-30}),
        ("elu", TINY, 210, {}),
        ("elu", HUGE, 210, {"bias_std": 1.0}),
        ("elu", "he_normal", 30, {"loss": "mse"}),
    ],
    ids=str,
)
def test_against_mpmath(activation, init, depth, options, dtype):
    """In decades: 1e-9 in float64, 1e-3 in float32, where 1e-7 per layer adds up, out of up to 370."""
    net = network(depth, 10, activation, init, 5, 3, seed=1, dtype=dtype, **options)
    X, y = data(5, 3, 3)
    if net.loss == "mse":
        y = np.eye(3)[y]
    profile_close(net, X, y)


@pytest.mark.parametrize(("dtype", "bias"), [("float64", -700.0), ("float32", -85.0)])
def test_deep_saturation_against_mpmath(dtype, bias):
    """One layer's outputs and derivatives are all near the smallest normal, and the next weights 1e-9."""
    net = network(5, 10, "sigmoid", initializer("normal", std=1e-9), 5, 3, dtype=dtype)
    net.biases[2][:] = bias
    X, y = data(5, 3, 3)
    profile = profile_close(net, X, y)
    assert profile.saturated_fraction.tolist() == [0, 0, 1, 0, 0]
    assert not profile.dead_fraction.any()


@pytest.mark.parametrize("backend", ["numba", "numpy"])  # the compiled pass sums in another order
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_same_bits_as_plain_backpropagation(activation, dtype, backend, monkeypatch):
    """Rescaled on the way, forward and backward: every dL/dW and delta has the bits of the plain pass.

    The signal of tanh is held at 1e-3 by biases: where tanh z is z the float64 kernels are an ulp off,
    and the scaled pass, which does not ask them, is not.
    """
    if backend == "numba":
        pytest.importorskip("numba")
    bias_std = 1e-3 if activation == "tanh" else None
    net = network(14, 32, activation, TINY, dtype=dtype, bias_std=bias_std, backend=backend)
    X, y = data()
    seen = []
    original = exponents._log10_rms
    monkeypatch.setattr(exponents, "_log10_rms", lambda a, k: seen.append((a, k)) or original(a, k))
    net.gradient_profile(X, y)
    signals, rest = seen[: len(net.weights)], seen[len(net.weights) :]
    assert max(k for _, k in signals + rest) <= 0
    assert min(k for _, k in rest) < -24  # it was rescaled
    _, gradients = net.loss_and_gradients(X, y)
    for (dweight, dbias), (delta, k), (scaled, j) in zip(gradients[::-1], rest[::2], rest[1::2], strict=True):
        assert np.array_equal(np.ldexp(scaled, j), dweight)
        assert np.array_equal(np.ldexp(delta, k).sum(axis=0), dbias)
    assert np.array_equal(np.ldexp(*signals[-1]), net.forward(X))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thousand_layers_in_float32(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    X, y = data(64, 10, 32)
    single, double = (
        network(1000, 64, n_in=64, dtype=dtype, backend=backend).gradient_profile(X, y)
        for dtype in ("float32", "float64")
    )
    assert np.isfinite(single.log10_delta).all()
    assert np.isfinite(single.log10_weight_gradient).all()
    assert abs(single.decades_per_layer / double.decades_per_layer - 1) <= 1e-6
    assert np.abs(single.log10_delta - double.log10_delta).max() <= 1e-3
    assert 0.60 < single.decades_per_layer < 0.66
    assert not single.dead_fraction.any()


def test_a_hundred_thousand_layers():
    """Width 1, where delta is a product of numbers: log10 delta is the sum of log10 |w phi'(z)|, layer by layer."""
    depth = 10**5
    net = network(depth, 1, dtype="float64", backend="compiled")
    X, y = data(batch=1)
    found = net.gradient_profile(X, y)
    z, log10 = float((X @ net.weights[0] + net.biases[0])[0, 0]), []
    for weight in net.weights[1:-1]:
        slope = 0.25 / math.cosh(z / 2) ** 2
        log10.append(math.log10(abs(weight[0, 0]) * slope))
        z = weight[0, 0] / (1 + math.exp(-z))
    assert abs(found.decades_lost / -math.fsum(log10) - 1) <= 1e-12
    assert found.decades_lost > 9e4


@pytest.mark.parametrize(("init", "sign"), [("xavier_normal", 1), (initializer("normal", std=1.0), -1)])
def test_relu_signal_out_of_range_is_neither_dead_nor_infinite(init, sign):
    X, y = data(64, 10, 16)
    single, double = (
        network(1000, 64, "relu", init, 64, dtype=dtype).gradient_profile(X, y) for dtype in ("float32", "float64")
    )
    assert np.abs(single.dead_fraction - double.dead_fraction).mean() <= 1e-4  # a sign may flip on the way
    assert single.dead_fraction.max() < 0.9
    assert sign * single.log10_signal[-1] < -100
    assert np.abs(single.log10_signal - double.log10_signal).max() <= 1e-3
    assert abs(single.decades_per_layer / double.decades_per_layer - 1) <= 1e-5
    assert sign * single.decades_per_layer > 0.1


def plain_zero_layer(net, X, y):
    """Where the delta of a really plain backward pass is all zero."""
    h, ds = X.astype(net.dtype), []
    for weight, bias in zip(net.weights[:-1], net.biases[:-1], strict=True):
        h, d = net.activation.value_and_derivative(h @ weight + bias, backend="numpy")
        ds.append(d)
    o = h @ net.weights[-1] + net.biases[-1]
    p = np.exp(o - o.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    delta = (p - np.eye(p.shape[1], dtype=net.dtype)[y]) / net.dtype.type(len(y))
    for layer in reversed(range(len(net.weights))):
        if not delta.any():
            return layer + 1
        if layer:
            delta = (delta @ net.weights[layer].T) * ds[layer - 1]
    return None


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_the_zero_layer_where_weights_differ_from_layer_to_layer(backend):
    """In every third layer the weights are 2^-12 of the others': there delta goes, in products, or just below them."""
    for seed in range(3):
        net = network(90, 16, "sigmoid", "xavier_normal", dtype="float32", seed=seed, backend=backend)
        for weight in net.weights[1::3]:
            weight *= np.float32(2.0**-12)
        X, y = data(seed=seed)
        profile, plain = net.gradient_profile(X, y), plain_zero_layer(net, X, y)
        assert 30 < plain < 80
        assert abs(profile.float32_zero_layer - plain) <= 1
        assert profile.float64_zero_layer is None or profile.float64_zero_layer < profile.float32_zero_layer


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("activation", "init", "depth"),
    [
        ("sigmoid", "xavier_normal", 80),
        ("sigmoid", "he_uniform", 100),
        ("tanh", TINY, 60),
        ("elu", TINY, 60),
        ("leaky_relu", TINY, 60),  # the signal goes first, and the slope stands at 0.01 from there
        ("relu", TINY, 60),  # the signal goes first, and the last hidden layer's delta with it
        ("relu", "torch_linear", 130),
        ("relu", "he_normal", 60),
    ],
    ids=str,
)
def test_predicted_float32_zero_layer(activation, init, depth, seed):
    """Exact or off by one: among subnormals every partial sum is rounded, in an order of the BLAS's own."""
    net = network(depth, 64, activation, init, dtype="float32", seed=seed)
    X, y = data(seed=seed)
    predicted, plain = net.gradient_profile(X, y).float32_zero_layer, plain_zero_layer(net, X, y)
    assert (predicted is None) == (plain is None)
    assert predicted is None or abs(predicted - plain) <= 1


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_the_zero_layer_is_exact_where_rounding_has_no_say(backend):
    """Weights of 2^-60 take delta down to 2^-65, and those of 2^-100 further on to 0: in that layer, not the next."""
    net = network(10, 8, "tanh", "he_normal", dtype="float32", backend=backend)
    net.weights[8] *= np.float32(2.0**-60)
    net.weights[5] *= np.float32(2.0**-100)
    X, y = data()
    assert net.gradient_profile(X, y).float32_zero_layer == plain_zero_layer(net, X, y) == 5


def test_a_signal_that_is_lost_in_the_last_hidden_layer_alone():
    """z is 2^-100 in hidden layer 5 and 2^-160 in the sixth, whose ReLUs float32 then takes to be off."""
    net = network(6, 8, "relu", "he_normal", dtype="float32")
    net.weights[4] *= np.float32(2.0**-100)
    net.weights[5] *= np.float32(2.0**-60)
    net.biases[-1][:] = 1.0
    X, y = data()
    assert net.gradient_profile(X, y).float32_zero_layer == plain_zero_layer(net, X, y) == 6


def test_a_zero_layer_that_is_barely_there_is_seen_by_the_compiled_pass():
    """Where the first layers alone are 0: at first none, then one, then some."""
    found = []
    for depth in range(62, 82, 2):
        net = network(depth, 16, "sigmoid", "xavier_normal", dtype="float32", backend="compiled")
        X, y = data()
        fast, plain = net.gradient_profile(X, y).float32_zero_layer or 0, plain_zero_layer(net, X, y) or 0
        assert abs(fast - plain) <= 1
        found.append(plain)
    assert found[0] == 0
    assert 1 in found or 2 in found or 3 in found
    assert found[-1] > 3


def test_predicted_float64_zero_layer():
    X, y = data()
    wide, narrow = (network(320, 32, "sigmoid", TINY, dtype=t) for t in ("float64", "float32"))
    predicted = wide.gradient_profile(X, y).float64_zero_layer
    assert abs(predicted - plain_zero_layer(wide, X, y)) <= 1
    assert narrow.gradient_profile(X, y).float64_zero_layer == predicted
    assert wide.gradient_profile(X, y).float32_zero_layer > predicted


def test_relu_blind_spot_of_the_weight_gradient():
    """Bias-free ReLU: Xavier's weights are He's over sqrt 2, and dL/dW has one profile, while delta falls."""
    X, y = data(64, 10, 32)
    X = X * np.float32(1e-12)  # outputs of nothing, so that both have the same delta at the output
    xavier, he = (
        network(30, 64, "relu", initializer(name, gain=gain), 64, dtype="float64").gradient_profile(X, y)
        for name, gain in (("xavier_normal", 1.0), ("xavier_normal", math.sqrt(2.0)))
    )
    assert np.ptp(xavier.log10_weight_gradient - he.log10_weight_gradient) <= 1e-10
    assert abs(xavier.decades_per_layer - he.decades_per_layer - math.log10(2) / 2) <= 1e-12
    assert xavier.decades_lost > 3.5


def test_signal_scales_with_the_data():
    X, y = data()
    net = network(5, 32, "relu", initializer("normal", std=1.0), dtype="float32")
    one = net.gradient_profile(X, y)
    for power in (-110, 125):  # nearly the smallest and the largest that float32 holds
        other = net.gradient_profile(np.ldexp(X, power), y)
        shift = power * math.log10(2.0)
        assert np.abs(other.log10_signal - one.log10_signal - shift).max() <= 1e-12
        assert np.array_equal(other.dead_fraction, one.dead_fraction)


def test_rms_of_many_values_is_summed_in_float64():
    ones = np.full((4096, 2048), 1.1, np.float32)
    assert abs(exponents._log10_rms(ones, 3) / math.log10(8 * float(np.float32(1.1))) - 1) <= 1e-12


def with_biases(activation, biases, n_in=4):
    net = MLP([n_in, len(biases), 2], activation, initializer("normal", std=0), dtype="float64", backend="numpy")
    net.biases[0][:] = biases
    return net.gradient_profile(np.ones((3, n_in)), [0, 1, 0])


def test_saturated_and_dead_units():
    assert with_biases("sigmoid", [0, 5.9, 6.1, -6.1]).saturated_fraction[0] == 0.5
    assert with_biases("tanh", [0, 2.9, 3.1, -3.1]).saturated_fraction[0] == 0.5
    assert with_biases("elu", [9, -4.5, -4.7, 0]).saturated_fraction[0] == 0.25
    assert with_biases("relu", [1, -1, -2, 0]).saturated_fraction[0] == 0.0
    assert with_biases("relu", [1, -1, -2, 0]).dead_fraction[0] == 0.75
    assert with_biases("leaky_relu", [1, -1, -2, 0]).dead_fraction[0] == 0.0
    assert with_biases("sigmoid", [0, 5.9, 6.1, -6.1]).dead_fraction[0] == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_numbers_themselves_where_no_two_widths_are_alike(activation, backend, dtype):
    """Ratios between layers, and layers of one width, hide what a number is divided by."""
    raw_profile(activation, backend, dtype)


def test_a_unit_alive_on_one_sample_is_not_dead():
    net = MLP([1, 2, 2], "relu", initializer("normal", std=0), dtype="float64", backend="numpy")
    net.weights[0][:] = [[1.0, -1.0]]
    assert net.gradient_profile([[1.0], [2.0]], [0, 1]).dead_fraction[0] == 0.5
    assert net.gradient_profile([[1.0], [-2.0]], [0, 1]).dead_fraction[0] == 0.0


def test_exact_zeros_are_minus_infinity():
    X, y = data()
    profile = network(3, 8, "relu", initializer("normal", std=0)).gradient_profile(X, y)
    assert abs(profile.log10_delta[-1] - math.log10(0.3 / 16)) <= 1e-6  # p = 1/10 everywhere
    assert (profile.log10_delta[:-1] == -math.inf).all()
    assert (profile.log10_weight_gradient == -math.inf).all()
    assert math.isnan(profile.decades_per_layer)
    assert math.isnan(profile.decades_lost)
    assert profile.float32_zero_layer == profile.float64_zero_layer == 3

    net = network(20, 8, "leaky_relu", initializer("normal", std=1e6), dtype="float64")
    certain = net.predict(X)
    assert (net.gradient_profile(X, certain).log10_delta == -math.inf).all()  # right on all, by 1e100 nats
    assert (net.gradient_profile(X, (certain + 1) % 10).log10_delta > -2).all()


def test_to_dict_is_strict_json_where_delta_is_0():
    net = fastgrad.MLP([3, 4, 4, 2], "relu", fastgrad.initializer("normal", std=0.0), 0)
    found = net.gradient_profile(np.ones((5, 3)), np.zeros(5, int)).to_dict()
    json.dumps(found, allow_nan=False)
    assert found["log10_delta"][0] == "-inf"


def test_to_dict_is_plain_and_complete():
    X, y = data()
    profile = network(4, 8).gradient_profile(X, y)
    plain = json.loads(json.dumps(profile.to_dict()))
    assert plain["log10_delta"] == profile.log10_delta.tolist()
    assert plain["sizes"] == [20, 8, 8, 8, 8, 10]
    assert (plain["activation"], plain["init"], plain["dtype"]) == ("sigmoid", "xavier_normal", "float32")
    assert plain["half_life"] == profile.half_life
    assert profile.batch == plain["batch"] == 16


def test_profile_leaves_network_and_data_alone():
    X, y = data()
    X *= np.float32(2.0**40)
    net = network(30, 16, "relu", HUGE)
    before = [a.copy() for a in (X, *net.weights, *net.biases)]
    net.gradient_profile(X, y)
    assert all(np.array_equal(a, b) for a, b in zip((X, *net.weights, *net.biases), before, strict=True))


def broken(which, value):
    net = network(3, 4)
    getattr(net, which)[1].flat[0] = value
    return net.gradient_profile(*data())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: broken("weights", np.nan),
            ValueError,
            "layer 2: weights must be finite and at most 2^64 in size",
        ),
        (
            lambda: broken("weights", -1e30),
            ValueError,
            "layer 2: weights must be finite and at most 2^64 in size",
        ),
        (lambda: broken("biases", np.inf), ValueError, "layer 2: biases must be finite"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_pickled_profiles_are_the_same_profiles():
    X, y = data()
    profile = network(4, 8, "tanh", "he_normal").gradient_profile(X, y)
    back = pickle.loads(pickle.dumps(profile))
    assert back.to_dict() == profile.to_dict()
    assert np.array_equal(back.network.gradient_profile(back.X, back.y).log10_delta, profile.log10_delta)
    assert str(back.diagnosis) == str(profile.diagnosis)


def test_elu_with_a_huge_alpha_beside_a_large_signal():
    """z is 2^70 and alpha 2^90: ELU is far from ReLU there."""
    X, y = data()
    X = np.ldexp(X.astype(np.float64), 70)
    net = network(3, 16, activation("elu", alpha=2.0**90), "he_normal", dtype="float64")
    signal, h = net.gradient_profile(X, y).log10_signal, X
    for layer, weight in enumerate(net.weights):
        z = h @ weight
        assert abs(signal[layer] - np.log10(np.mean(z**2)) / 2) <= 1e-12
        h = net.activation(z)


def test_weights_of_nothing_but_0_are_no_warning():
    net = MLP([4, 8, 8, 8, 3], "tanh", "normal", bias_std=0.5)
    for weight in net.weights[:-1]:
        weight[:] = 0
    X, y = data(4, 3, 5)
    profile = net.gradient_profile(X, y)
    assert profile.log10_delta.tolist()[:-2] == [-math.inf, -math.inf]
    assert profile.float32_zero_layer == 2


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_the_mean_loss_is_the_one_that_delta_is_the_gradient_of(backend, loss):
    net = fastgrad.MLP([8, 6, 5, 3], "tanh", dtype="float64", backend=backend, loss=loss)
    X, y = np.random.default_rng(0).standard_normal((16, 8)), np.arange(16) % 3
    y = y if loss == "cross_entropy" else np.eye(3)[y]
    expected = net.loss_and_gradients(X, y)[0]
    assert abs(net.gradient_profile(X, y).mean_loss - expected) <= 1e-12 * expected


@pytest.mark.parametrize(("dtype", "place", "least"), [(np.float32, 0, -149), (np.float64, 1, -1074)])
@pytest.mark.parametrize("steps", [0, -0.5, -0.999, -1, -1.5, -2])
def test_a_delta_is_nothing_from_the_power_on_that_its_type_rounds_to_0(dtype, place, least, steps):
    top, half = least + steps, least // 2
    rounded = dtype(2.0**half) * dtype(2.0 ** (top - half))  # 2^-1075.5 is no float64
    found = exponents.zero_layers(np.array([0.0, top]), np.zeros(2))[place]
    assert found == (2 if rounded == 0 else None)
