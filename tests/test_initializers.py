"""Initializers: variance, distribution and stream of each rule, and one clear error per mistake."""

import ast
import copy
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from checks_network import DISTRIBUTION, SECOND, SHAPE, VARIANCE, initial_weights

from fastgrad import draws, initializers
from fastgrad.bench import parts
from fastgrad.initializers import INITIALIZERS, initializer


def test_the_table_covers_the_registry():
    assert set(VARIANCE) == set(DISTRIBUTION) == set(INITIALIZERS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_variance_mean_and_distribution(name, dtype):
    initial_weights(name, dtype)


@pytest.mark.parametrize("name", [n for n in INITIALIZERS if DISTRIBUTION[n] == "truncated"])
def test_truncated_at_two_of_its_own_deviations(name):
    limit = 2 * math.sqrt(VARIANCE[name]) / 0.87962566103423978
    largest = np.abs(initializer(name).weight(SHAPE, rng=2, dtype="float64")).max()
    assert largest <= limit * (1 + 1e-15)
    assert largest > 0.999 * limit
    assert abs(draws.TRUNCATED_STD / math.sqrt(SECOND) - 1) <= 1e-14


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("xavier_uniform", math.sqrt(6 / 1000)),
        ("he_uniform", math.sqrt(6 / 300)),
        ("torch_linear", 1 / math.sqrt(300)),
        ("keras_dense", math.sqrt(6 / 1000)),
    ],
)
def test_uniform_limits(name, limit):
    largest = np.abs(initializer(name).weight(SHAPE, rng=3, dtype="float64")).max()
    assert limit * 0.999 < largest <= limit * (1 + 1e-15)


def test_torch_linear_bias_and_zero_bias_elsewhere():
    for name in INITIALIZERS:
        rule = initializer(name)
        bias = rule.bias((300, 70_000), rng=0, dtype="float64")
        assert bias.shape == (70_000,)
        if name == "torch_linear":
            assert abs(np.mean(bias**2) * 900 - 1) <= 5 * math.sqrt(0.8 / 70_000)
            assert np.abs(bias).max() <= 1 / math.sqrt(300)
            assert rule.bias_variance(300, 7) == 1 / 900
        else:
            assert not bias.any()
            assert rule.bias_variance(300, 7) == 0.0


def test_options():
    assert abs(initializer("xavier_normal", gain=3.0).weight_variance(10, 30) / (9 * 2 / 40) - 1) <= 1e-15
    he = {"negative_slope": 0.5}
    for mode, fan in (("fan_in", 10), ("fan_out", 30), ("fan_avg", 20)):
        variance = initializer("he_normal", mode=mode, **he).weight_variance(10, 30)
        assert abs(variance / (2 / (1.25 * fan)) - 1) <= 1e-15
    assert not initializers.normal((3, 4), std=0, rng=0).any()
    big, small = (initializers.xavier_normal((5, 6), gain=g, rng=9, dtype="float64") for g in (2.0, 1.0))
    assert np.array_equal(big, 2 * small)


def test_functions_are_the_records():
    for name in INITIALIZERS:
        function = getattr(initializers, name)
        assert np.array_equal(function((4, 5), rng=7), initializer(name).weight((4, 5), rng=7)), name
    for alias, name in (("glorot", "xavier"), ("kaiming", "he")):
        for kind in ("normal", "uniform"):
            assert getattr(initializers, f"{alias}_{kind}") is getattr(initializers, f"{name}_{kind}")
            assert initializer(f"{alias}_{kind}") == initializer(f"{name}_{kind}")


@pytest.mark.parametrize("name", INITIALIZERS)
def test_float32_is_float64_but_for_its_rounding(name):
    single, double = (initializer(name).weight((200, 300), rng=5, dtype=t) for t in ("float32", "float64"))
    assert (np.abs(single - double) <= 6 * np.spacing(np.abs(double).astype(np.float32))).all()


def test_seed_sequence_and_generator():
    by_seed = initializers.he_normal((4, 5), rng=11)
    assert np.array_equal(by_seed, initializers.he_normal((4, 5), rng=np.random.SeedSequence(11)))
    generator = np.random.default_rng(11)
    first = initializers.he_normal((4, 5), rng=generator)
    assert np.array_equal(first, initializers.he_normal((4, 5), rng=np.random.default_rng(11)))
    assert not np.array_equal(first, initializers.he_normal((4, 5), rng=generator))  # it has moved on


@pytest.mark.parametrize("name", INITIALIZERS)
def test_without_an_rng_no_two_draws_are_the_same(name):
    """SPEC 7: None is fresh entropy. The default was the seed 0, and layers that were drawn one by one were equal."""
    function = getattr(initializers, name)
    for draw in (function, lambda shape: function(shape, rng=None), initializer(name).weight):
        assert not np.array_equal(draw((4, 5)), draw((4, 5)))
    bias = initializer("torch_linear").bias
    assert not np.array_equal(bias((4, 5)), bias((4, 5)))


def test_programs_of_ours_say_what_they_draw_from():
    """What they measure does not change from run to run."""
    rules = {*INITIALIZERS, "glorot_normal", "glorot_uniform", "kaiming_normal", "kaiming_uniform", "weight", "bias"}
    root = Path(__file__).parents[1]
    for file in [*root.glob("fastgrad/**/*.py"), *root.glob("benchmarks/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in rules:
                given = len(node.args) > 1 or any(keyword.arg == "rng" for keyword in node.keywords)
                assert given, f"{file}:{node.lineno} {ast.unparse(node)}"
    make = parts.weights_fastgrad("he_normal", (8, 9))
    assert np.array_equal(make(), make())


def test_records_compare_hash_and_print():
    assert initializer("he_normal") == initializer("he_normal", mode="fan_in")
    assert initializer("he_normal") != initializer("he_normal", mode="fan_out")
    assert len({initializer("normal"), initializer("normal", std=0.01)}) == 1
    assert str(initializer("he_normal")) == "he_normal"
    assert str(initializer("he_normal", negative_slope=0.01, mode="fan_out")) == (
        "he_normal(negative_slope=0.01, mode=fan_out)"
    )
    assert str(initializer("normal")) == "normal(std=0.01)"
    record = initializer("xavier_normal", gain=2)
    assert initializer(record) is record


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: initializer("xavier_nromal"),
            ValueError,
            "unknown initializer 'xavier_nromal'; did you mean 'xavier_normal'?",
        ),
        (
            lambda: initializer("he_normal", mode="fanin"),
            ValueError,
            "unknown fan mode 'fanin'; did you mean 'fan_in'?",
        ),
        (lambda: initializer("xavier_normal", gain=-1), ValueError, "gain must be greater than 0, got -1"),
        (lambda: initializer("xavier_normal", gain=0.0), ValueError, "gain must be greater than 0, got 0.0"),
        (lambda: initializer("xavier_normal", gain=math.nan), ValueError, "gain must be finite, got nan"),
        (lambda: initializer("xavier_normal", gain="2"), TypeError, "gain must be a real number, got '2'"),
        (
            lambda: initializer("he_normal", negative_slope=-0.1),
            ValueError,
            "negative_slope must be at least 0",
        ),
        (lambda: initializer("normal", std=-1), ValueError, "std must be at least 0, got -1"),
        (lambda: initializer("normal", std=math.inf), ValueError, "std must be finite, got inf"),
        (lambda: initializer("normal", gain=1), TypeError, "normal takes std, got gain"),
        (lambda: initializer("torch_linear", gain=1), TypeError, "torch_linear takes no options, got gain"),
        (
            lambda: initializer(initializer("normal"), std=1),
            TypeError,
            "is a record and takes no further options",
        ),
        (lambda: initializers.he_normal((3,)), ValueError, "shape must be (fan_in, fan_out), got (3,)"),
        (lambda: initializers.he_normal(3), ValueError, "shape must be (fan_in, fan_out), got 3"),
        (lambda: initializers.he_normal((0, 3)), ValueError, "fan_in must be at least 1, got 0"),
        (lambda: initializers.he_normal((3, -2)), ValueError, "fan_out must be at least 1, got -2"),
        (lambda: initializers.he_normal((3, 2.5)), TypeError, "fan_out must be an integer, got 2.5"),
        (lambda: initializers.he_normal((3, True)), TypeError, "fan_out must be an integer, got True"),
        (
            lambda: initializers.he_normal((3, 2), dtype="float16"),
            TypeError,
            "dtype must be float32 or float64, got 'float16'",
        ),
        (
            lambda: initializers.he_normal((3, 2), dtype=None),
            TypeError,
            "dtype must be float32 or float64, got None",
        ),
        (
            lambda: initializers.he_normal((3, 2), dtype="flaot"),
            TypeError,
            "dtype must be float32 or float64, got 'flaot'",
        ),
        (lambda: initializers.he_normal((3, 2), rng=-1), ValueError, "a seed must be at least 0, got -1"),
        (lambda: initializers.he_normal((3, 2), rng=1.5), TypeError, "a seed must be an integer"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_the_extreme_scales_have_variances():
    for scale in (initializers.SMALLEST_SCALE, initializers.LARGEST_SCALE):
        for rule in (initializer("normal", std=scale), initializer("xavier_normal", gain=scale)):
            assert 0 < rule.weight_variance(4096, 4096) < math.inf
            assert np.isfinite(rule.weight((3, 4), rng=0, dtype="float64")).all()
            assert rule.weight((3, 4), rng=0, dtype="float64").all()
    assert initializer("he_normal", negative_slope=initializers.LARGEST_SCALE).weight_variance(4096, 4096) > 0


def test_weights_that_float32_cannot_hold_are_refused_and_the_largest_it_can_are_drawn():
    with pytest.raises(ValueError, match="which is too large for float32"):
        initializers.normal((3, 4), std=1e38)
    assert np.isfinite(initializers.normal((300, 400), std=2e37, rng=0)).all()


def test_a_record_is_frozen_options_and_all():
    rule = initializer("xavier_normal", gain=2.0)
    with pytest.raises(TypeError, match="does not support item assignment"):
        rule.options["gain"] = 3.0
    assert {rule: 1}[initializer("glorot_normal", gain=2)] == 1
    assert len({hash(initializer("xavier_normal", gain=gain)) for gain in (1.0, 1.5, 2.0)}) == 3
    for again in (copy.deepcopy(rule), pickle.loads(pickle.dumps(rule))):
        assert (again, hash(again)) == (rule, hash(rule))
    assert repr(rule) == "Initializer('xavier_normal', {'gain': 2.0})"
