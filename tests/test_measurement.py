"""Measurements: means of logarithms over seeds, their certainty, and one clear error per mistake."""

import math
import pickle
import re
import signal
import threading

import checks_network
import numpy as np
import pytest

from fastgrad import measurement
from fastgrad.initializers import initializer
from fastgrad.measurement import mean_interval
from fastgrad.network import MLP


def data(n_in=20, n_out=10, batch=16, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, n_in)).astype(np.float32), rng.integers(0, n_out, batch)


def network(depth, width, activation, init, **options):
    return MLP([20, *[width] * depth, 10], activation, init, **{"backend": "numpy", **options})


def measure(*arguments, **options):
    return measurement.measure(*arguments, *data(), **{"backend": "numpy", "seeds": range(6), **options})


def test_measure_averages_logarithms_over_seeds():
    checks_network.means_over_seeds()


def test_measured_profiles_drop_their_weights_and_can_be_taken_again():
    profile = measure("relu", "he_normal", 3, 8).profiles[2]
    assert not {"weights", "biases"} & set(vars(profile.network))
    again = profile.network.gradient_profile(profile.X, profile.y)
    assert np.array_equal(profile.log10_delta, again.log10_delta)


def test_measure_zero_layer_is_the_median_and_none_if_mostly_none():
    measured = measure("sigmoid", "xavier_normal", 80, 16, seeds=range(5))
    assert measured.float32_zero_layer == np.median([p.float32_zero_layer for p in measured.profiles])
    assert measured.float64_zero_layer is None


def test_measure_with_one_seed_and_with_dead_networks():
    one = measure("relu", "he_normal", 3, 8, seeds=[4])
    assert one.decades_per_layer_interval == (-math.inf, math.inf)
    assert np.isnan(one.log10_delta_sem).all()
    dead = measure("relu", initializer("normal", std=0), 3, 8)
    assert (dead.log10_delta[:-1] == -math.inf).all()
    assert math.isnan(dead.decades_per_layer)


def test_measure_finds_the_outputs():
    assert measure("relu", "he_normal", 2, 4, n_out=12).profiles[0].network.sizes == (20, 4, 4, 12)
    X, y = data()
    assert measure("relu", "he_normal", 2, 4).profiles[0].network.sizes[-1] == y.max() + 1
    regression = measurement.measure("relu", "he_normal", 2, 4, X, X[:, :3], seeds=[0], loss="mse", backend="numpy")
    assert regression.profiles[0].network.sizes[-1] == 3


def test_interval_is_students_t():
    samples = np.array([[1.0, -2.0], [2.0, -2.5], [4.0, 0.5]])
    mean, low, high = mean_interval(samples)
    t = 0.95 / np.sqrt(2 * 0.975 * 0.025)  # 97.5 % point of Student's t with 2 degrees of freedom, in closed form
    half = t * np.sqrt(((samples - mean) ** 2).sum(axis=0) / 2 / 3)
    assert (np.abs(high - mean - half) <= 1e-9 * half).all()
    assert (np.abs(mean - low - half) <= 1e-9 * half).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: measure("relu", "he_normal", 0, 8), ValueError, "depth must be at least 1, got 0"),
        (lambda: measure("relu", "he_normal", 2.0, 8), TypeError, "depth must be an integer, got 2.0"),
        (lambda: measure("relu", "he_normal", 2, -8), ValueError, "width must be at least 1, got -8"),
        (
            lambda: measure("relu", "he_normal", 2, 8, seeds=[]),
            ValueError,
            "seeds must name at least one seed",
        ),
        (lambda: measure("relu", "he_normal", 2, 8, seeds=5), TypeError, "for one give [5]"),
        (lambda: measure("relu", "he_normal", 2, 8, seeds=[0.5]), TypeError, "a seed must be an integer"),
        (lambda: measure("rleu", "he_normal", 2, 8), ValueError, "did you mean 'relu'?"),
        (lambda: measure("relu", "he_normal", 2, 8, loss="l2"), ValueError, "unknown loss 'l2'"),
        (
            lambda: measure("relu", "he_normal", 2, 8, loss="mse", n_out=2),
            ValueError,
            "y must have shape (16, 2), a column for each output, got (16,)",
        ),
        (
            lambda: measurement.measure("relu", "he_normal", 2, 8, [1.0], [1]),
            ValueError,
            "X must have shape (any, any), got (1,)",
        ),
        (
            lambda: measurement.measure("relu", "he_normal", 2, 8, [[1.0]], [0.5]),
            TypeError,
            "y must hold integer labels",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_the_order_of_the_seeds_does_not_matter():
    forth, back = (measure("tanh", "he_normal", 5, 16, seeds=seeds) for seeds in (range(7), reversed(range(7))))
    for one, other in zip(forth.profiles, back.profiles[::-1], strict=True):
        assert one.to_dict() == other.to_dict()
    assert np.abs(forth.log10_delta / back.log10_delta - 1).max() <= 1e-14
    assert abs(forth.decades_per_layer / back.decades_per_layer - 1) <= 1e-14


def test_seeds_may_be_seed_sequences():
    one = measure("tanh", "he_normal", 3, 8, seeds=[np.random.SeedSequence(s) for s in range(6)])
    assert np.array_equal(one.log10_delta, measure("tanh", "he_normal", 3, 8).log10_delta)
    children = np.random.SeedSequence(1).spawn(3)
    assert len(measure("tanh", "he_normal", 3, 8, seeds=children).profiles) == 3


@pytest.mark.parametrize("twin", [1, np.int64(1), np.random.SeedSequence(1)])
def test_a_seed_that_is_there_twice_is_refused_in_any_guise(twin):
    """Two equal profiles would shrink the standard error for nothing."""
    with pytest.raises(ValueError, match=r"seeds must differ, but .* is there twice"):
        measure("relu", "he_normal", 2, 8, seeds=[0, 1, twin])


def test_one_network_whose_delta_is_0_among_others():
    """Width 1: some ReLU networks pass nothing. Means say so, without a warning."""
    mixed = measure("relu", "he_normal", 4, 1, seeds=range(20))
    first = np.array([p.log10_delta[0] for p in mixed.profiles])
    assert np.isinf(first).any()
    assert np.isfinite(first).any()
    assert mixed.log10_delta[0] == -math.inf
    assert math.isnan(mixed.log10_delta_sem[0])
    assert math.isnan(mixed.decades_per_layer)
    assert np.isnan(mixed.decades_per_layer_interval).all()
    assert np.isfinite(mixed.log10_delta[-1])


def test_measurements_pickle():
    measured = measure("relu", "he_normal", 3, 8)
    assert np.array_equal(pickle.loads(pickle.dumps(measured)).log10_delta, measured.log10_delta)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_the_numbers_do_not_depend_on_the_number_of_workers(backend):
    one, four = (measure("tanh", "xavier_normal", 12, 24, backend=backend, workers=workers) for workers in (1, 4))
    for alone, among in zip(one.profiles, four.profiles, strict=True):
        assert alone.to_dict() == among.to_dict()
    assert one.decades_per_layer_interval == four.decades_per_layer_interval
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        measure("tanh", "xavier_normal", 2, 4, workers=0)


def test_the_median_layer_of_an_even_number_is_the_lower_and_none_is_below_all():
    assert measurement.median_layer([7, 3]) == 3
    assert measurement.median_layer([7, 3, 5]) == 5
    assert measurement.median_layer([None, 4]) is None
    assert measurement.median_layer([None, 4, 5]) == 4


def test_half_life_is_that_of_the_mean_rate():
    X, y = checks_network.data("cross_entropy", 20, 10, 16)
    falls, grows = (measurement.measure("relu", init, 8, 16, X, y, seeds=range(2))
                    for init in ("xavier_normal", initializer("xavier_normal", gain=4)))  # fmt: skip
    assert abs(falls.half_life * falls.decades_per_layer / math.log10(2) - 1) <= 1e-14
    assert grows.half_life == math.inf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("activation", "init", "depth", "width", "options"),
    [
        ("tanh", "xavier_normal", 12, 24, {}),
        ("sigmoid", "torch_linear", 9, 17, {}),  # biases of their own distribution
        ("elu", "keras_he_normal", 5, 8, {"bias_std": 0.1}),
        ("relu", "he_uniform", 5, 8, {"bias_std": 0.0}),
        ("relu", "xavier_uniform", 320, 8, {}),  # float32's signal leaves its range on some seeds
        ("sigmoid", "xavier_normal", 250, 8, {}),  # delta is 0 for plain backpropagation in float32
    ],
)
def test_networks_drawn_in_compiled_code_are_those_of_their_seeds(activation, init, depth, width, options, dtype):
    seeds = (0, 3, 2**40, np.random.SeedSequence(5))
    both = {"dtype": dtype, "backend": "compiled", **options}
    found = measure(activation, init, depth, width, seeds=seeds, **both).profiles
    assert len(found) == len(seeds)
    for profile, seed in zip(found, seeds, strict=True):
        alone = network(depth, width, activation, init, seed=seed, **both).gradient_profile(*data())
        assert profile.to_dict() == alone.to_dict()
        assert profile.mean_loss == alone.mean_loss
    assert (found[-1].to_dict(), len(found[1:3])) == (found[3].to_dict(), 2)
    with pytest.raises(IndexError):
        found[4]


def test_weights_too_large_for_a_pass_are_refused_in_compiled_code_too():
    with pytest.raises(ValueError, match=r"layer 1: weights must be finite and at most 2\^64"):
        measure("relu", initializer("normal", std=2.0**70), 3, 8, backend="compiled")
    with pytest.raises(ValueError, match="too large for float32"):
        measure("relu", initializer("normal", std=2.0**130), 3, 8, backend="compiled")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_long_measurement_can_be_interrupted(workers):
    """Between two seeds, although no Python runs there: long before the last of them."""
    too_late = threading.Event()
    # a second: while threads start, the exception may come in a callback of weakref, which loses it
    timers = [threading.Timer(1, signal.raise_signal, [signal.SIGINT]), threading.Timer(30, too_late.set)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt):
        measure("tanh", "xavier_normal", 100, 64, seeds=range(20_000), backend="compiled", workers=workers)
    assert not too_late.is_set()
    timers[0].join()
    timers[1].cancel()
