"""Measured decay against mean-field theory: every cell within the band that theory states for it."""

import math
from dataclasses import replace
from functools import partial

import checks_network as checks
import numpy as np
import pytest
from scipy import stats

from fastgrad import datasets, finite_width, theory
from fastgrad.activations import ACTIVATIONS
from fastgrad.initializers import initializer
from fastgrad.measurement import measure as measure_decay

WIDTH, DEPTH, SEEDS, FEATURES, CLASSES = 256, 20, 20, 64, 10
INITS = ("xavier_normal", "he_normal", "torch_linear")


def data(batch, features=FEATURES):
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, features)), rng.integers(0, CLASSES, batch)


def measure(activation, init, depth=DEPTH, width=WIDTH, seeds=SEEDS, batch=16, **options):
    X, y = data(batch)
    return measure_decay(activation, init, depth, width, X, y, seeds=range(seeds), n_out=CLASSES, **options)


def predict(activation, init, depth=DEPTH, width=WIDTH, batch=16):
    return theory.predict(activation, init, [FEATURES, *[width] * depth, CLASSES], data(batch)[0])


def ratio(log10):
    """Relative to the output layer, without the output layer itself."""
    return (log10 - log10[..., -1:])[..., :-1]


@pytest.fixture(scope="module")
def measured():
    return {(a, i): measure(a, i) for a in ACTIVATIONS for i in INITS}


def outside(measurement, prediction, seeds=SEEDS):
    """What lies outside the band of the mean over seeds: layers of delta, or the fitted slope."""
    low, high = prediction.mean_band(seeds)
    found = ratio(measurement.log10_delta)
    layers = list(1 + np.flatnonzero(~((low[:-1] <= found) & (found <= high[:-1]))))
    low, high = prediction.decades_per_layer_band(seeds)
    return layers if low <= measurement.decades_per_layer <= high else [*layers, "slope"]


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_cell_lies_in_its_band(measured, activation, init):
    assert outside(measured[activation, init], predict(activation, init)) == []


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_signal(measured, activation, init):
    """The RMS of z follows the q map to two standard errors of ReLU: ln q has variance 5/N per layer."""
    err = np.abs(measured[activation, init].log10_signal - predict(activation, init).log10_signal)
    limit = 2 * finite_width.TO_LOG10_RMS * math.sqrt(5 * DEPTH / WIDTH / SEEDS)  # 0.06 decades
    assert (err[:-1] <= limit).all()


def with_chi_times(prediction, factor):
    """The prediction of a theory whose chi is wrong by this factor at every hidden layer."""
    layers_crossed = np.arange(DEPTH, -1, -1)
    wrong = prediction.log10_delta_ratio + layers_crossed * math.log10(factor) / 2
    return replace(prediction, log10_delta_ratio=wrong)


@pytest.mark.parametrize("factor", [0.95, 1.05, 2.0])  # 2: ReLU's chi without the 1/2
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_wrong_theory_falls_outside(measured, activation, init, factor):
    """The band is not so wide as to prove nothing: chi is held to 5 %."""
    wrong = with_chi_times(predict(activation, init), factor)
    assert "slope" in outside(measured[activation, init], wrong)


def test_the_fixed_point_in_place_of_the_recursion_falls_outside(measured):
    """tanh + Xavier: chi is 1 at the fixed point, and half a decade is lost on the way there."""
    prediction = predict("tanh", "xavier_normal")
    flat = np.append(np.full(DEPTH, prediction.log10_delta_ratio[-2]), 0.0)
    wrong = replace(prediction, log10_delta_ratio=flat)
    assert "slope" in outside(measured["tanh", "xavier_normal"], wrong)


@pytest.mark.parametrize(
    ("activation", "init"), [("relu", "he_normal"), ("tanh", "xavier_normal"), ("sigmoid", "xavier_normal")]
)
def test_spread_of_single_networks(activation, init):
    """One sample, width 64, depth 20, 200 networks: the variance, and 95 % of them in the band."""
    m = measure(activation, init, width=64, seeds=200, batch=1)
    p = predict(activation, init, width=64, batch=1)
    first = np.array([ratio(profile.log10_delta)[0] for profile in m.profiles])
    share = np.var(first / finite_width.TO_LOG10_RMS, ddof=1) / p.variance[0]
    assert abs(share - 1) <= 0.3  # three standard errors of a variance from 200
    low, high = p.mean_band()
    inside = np.mean((low[0] <= first) & (first <= high[0]))
    assert inside >= 0.9


NETWORKS, RISK = 400, 1e-4  # of single networks; the chance that a right band fails a test of one side


@pytest.fixture(scope="module")
def slopes_of_networks():
    """Decades per layer of many networks of one sample."""
    measured = {name: measure(name, init, *SINGLE_SHAPE, NETWORKS, batch=1) for name, init in SINGLE.items()}
    return {name: np.array([p.decades_per_layer for p in m.profiles]) for name, m in measured.items()}


SINGLE = {"relu": "he_normal", "leaky_relu": "he_normal", "tanh": "he_normal", "sigmoid": "xavier_normal"}
SINGLE_SHAPE = (16, 128)  # depth, width: first order in their ratio serves


def has_the_width_and_the_shift_of(slopes, prediction):
    """The band's half-width is the standard deviation of the slope, and its ends the means that it may have.

    Both to two sides: chi-squared for the variance, which first order gives to 12 %, Student's t for the mean.
    """
    ends = (prediction.decades_per_layer_band(seeds) for seeds in (1, 10**12))
    (low, high), (lowest, highest) = ends
    variance = ((high - low - (highest - lowest)) / 2 / finite_width.Z95) ** 2
    ratio = np.var(slopes, ddof=1) / variance
    least, most = stats.chi2.ppf((RISK, 1 - RISK), NETWORKS - 1) / (NETWORKS - 1)
    assert 0.88 * least <= ratio <= 1.12 * most
    far = max((lowest, highest), key=lambda end: abs(end - prediction.decades_per_layer))  # one sample: the whole shift
    error = stats.t.ppf(1 - RISK, NETWORKS - 1) * np.std(slopes, ddof=1) / math.sqrt(NETWORKS)
    assert abs(np.mean(slopes) - far) <= error


@pytest.mark.parametrize("name", SINGLE)
def test_the_band_of_the_slope_is_as_wide_and_lies_where_networks_do(slopes_of_networks, name):
    has_the_width_and_the_shift_of(slopes_of_networks[name], predict(name, SINGLE[name], *SINGLE_SHAPE, batch=1))


@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_a_band_of_another_shift_fails(slopes_of_networks, factor):
    """2: without the half in -variance/2."""
    honest = predict("relu", "he_normal", *SINGLE_SHAPE, batch=1)
    with pytest.raises(AssertionError):
        has_the_width_and_the_shift_of(slopes_of_networks["relu"], replace(honest, variance=factor * honest.variance))


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_band_of_another_width_fails(slopes_of_networks, factor):
    for name, init in SINGLE.items():
        honest = predict(name, init, *SINGLE_SHAPE, batch=1)
        wrong = replace(honest, slope_variance=factor * honest.slope_variance)
        with pytest.raises(AssertionError):
            has_the_width_and_the_shift_of(slopes_of_networks[name], wrong)


def autotrainer(log10_weight_gradient, accuracy=0.1):
    """AUTOTRAINER's rule for vanishing gradients (Zhang et al. 2021), on the RMS of dL/dW."""
    first, last = 10 ** log10_weight_gradient[0], 10 ** log10_weight_gradient[-1]
    return first / last <= 1e-3 and first <= 1e-4 and accuracy <= 0.6


def test_weight_gradients_are_blind_to_the_scale_of_relu_networks():
    """Without biases, depth 30: one profile of dL/dW for Xavier and He; delta loses 4.4 decades or none.

    The targets are large, so that the output's delta is the same in both; float64, so that no unit rounds to the other
    side of 0 in one of them.
    """
    X = np.random.default_rng(0).standard_normal((16, WIDTH))
    y = 1e6 * np.random.default_rng(1).standard_normal((16, CLASSES))
    xavier, he = (
        measure_decay("relu", init, 30, WIDTH, X, y, seeds=range(10), loss="mse", dtype="float64")
        for init in ("xavier_normal", "he_normal")
    )
    profiles = [m.log10_weight_gradient[:-1] - m.log10_weight_gradient[-2] for m in (xavier, he)]
    assert (np.abs(profiles[0] - profiles[1]) <= 1e-4).all()
    assert np.abs(xavier.log10_weight_gradient[0] - xavier.log10_weight_gradient[-2]) <= 0.2
    assert abs(xavier.decades_lost - 29 * math.log10(2) / 2) <= 0.2  # to 4e-5
    assert abs(he.decades_lost) <= 0.2


def test_the_usual_rule_misses_relu_with_weights_as_pytorch_draws_them():
    """Depth 30, no biases: delta loses 11 decades, dL/dW of first and last layer differ by less than one."""
    bare = measure("relu", "torch_linear", depth=30, seeds=10, bias_std=0.0)
    assert not autotrainer(bare.log10_weight_gradient)
    assert abs(bare.log10_weight_gradient[0] - bare.log10_weight_gradient[-1]) <= 1
    assert bare.log10_weight_gradient[0] < -11
    assert abs(bare.decades_lost / (29 * math.log10(6) / 2) - 1) <= 0.03
    # PyTorch's biases hold the signal up, so that there dL/dW does follow delta; delta does not care
    biased = measure("relu", "torch_linear", depth=30, seeds=10)
    assert autotrainer(biased.log10_weight_gradient)
    assert abs(biased.decades_lost / bare.decades_lost - 1) <= 0.03


def test_sigmoid_at_depth_1000_in_float32():
    """627 decades, of which float32 holds 45."""
    m = measure("sigmoid", "xavier_normal", depth=1000, width=64, seeds=2, batch=8)
    want = predict("sigmoid", "xavier_normal", depth=1000, width=64, batch=8)
    assert abs(m.decades_per_layer / want.decades_per_layer - 1) <= 0.01
    assert m.decades_lost > 600


@pytest.mark.parametrize("init", ["xavier_normal", "he_normal", initializer("he_normal", mode="fan_out")], ids=str)
def test_layers_that_are_not_square(init):
    checks.layers_that_are_not_square(init)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_band_holds_up_to_the_limit_of_its_validity(activation, init):
    """Width 32, depth 16, 40 networks: in its band; at depth 17 theory is not asked."""
    found, expected = (f(activation, init, depth=16, width=32) for f in (partial(measure, seeds=40), predict))
    assert expected.in_band(found.decades_per_layer, 40) == "yes"
    assert predict(activation, init, depth=17, width=32).in_band(found.decades_per_layer, 40) == "beyond"


def test_beyond_the_limit_elu_with_he_leaves_the_band():
    """Digits, width 32, depth 64, 200 networks: why there is a limit; ReLU + He is in its band there too."""
    X, y = (array[:64] for array in datasets.load("digits"))
    for activation, outside in (("elu", True), ("relu", False)):
        found = measure_decay(activation, "he_normal", 64, 32, X, y, seeds=range(200)).decades_per_layer
        expected = theory.predict(activation, "he_normal", [64, *[32] * 64, 10], X)
        low, high = expected.decades_per_layer_band(200)
        assert (found < low) == outside
        assert found <= high
        assert expected.in_band(found, 200) == "beyond"
