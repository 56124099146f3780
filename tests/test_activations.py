"""The records of the activations, and the facts about them."""

import dataclasses
import math
import pickle

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from fastgrad import ACTIVATIONS, Activation, activation, activations

RECORDS = [
    *map(activation, ACTIVATIONS),
    activation("elu", alpha=0.4),
    activation("leaky_relu", negative_slope=1.5),
]
each = pytest.mark.parametrize("phi", RECORDS, ids=str)


@each
def test_gain_undoes_the_mean_square_derivative_at_unit_variance(phi):
    def integrand(z):
        return float(phi.derivative(np.float64(z))) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    mean_square = sum(quad(integrand, *ends, epsabs=0, epsrel=1e-12)[0] for ends in [(-30, 0), (0, 30)])
    assert abs(phi.gain**2 * mean_square - 1) <= 1e-8


@each
def test_derivative_bound_holds_and_is_reached(phi):
    z = np.linspace(-20, 20, 100_001)
    largest = phi.derivative(z).max()
    assert largest <= phi.derivative_bound
    assert largest >= phi.derivative_bound * (1 - 1e-7)


@given(z=st.floats(-1, 1), scale=st.sampled_from([2.0**-28, 2.0**-60, 2.0**-400, 2.0**70, 2.0**300]))
@pytest.mark.parametrize("phi", RECORDS, ids=str)
def test_homogeneous_limit_is_the_activation_at_that_scale(phi, z, scale):
    limit = phi.homogeneous_limit(scale)
    if limit is None:
        return
    true, got = float(phi(z * scale)), float(limit(z)) * scale
    # relative to the layer's largest element, which is what a limit at a large scale can promise
    reference = scale if scale > 1 else abs(true)
    assert abs(got - true) <= 2.0**-50 * reference + 2.0**-1070


def test_which_activations_have_limits():
    small, middle, large = 2.0**-60, 1.0, 2.0**70
    kinds = {
        phi.name: tuple(bool(phi.homogeneous_limit(s)) for s in (small, middle, large))
        for phi in map(activation, ACTIVATIONS)
    }
    assert (
        kinds
        | {
            "sigmoid": (False, False, False),
            "tanh": (True, False, False),
            "relu": (True, True, True),
            "leaky_relu": (True, True, True),
            "elu": (True, False, True),
        }
        == kinds
    )


@each
def test_every_activation_is_monotone_and_keeps_to_its_facts(phi):
    """Saturated and dead units are counted by a derivative that is never negative."""
    facts, z = phi.facts, np.concatenate([np.linspace(-50, 50, 10_001), 10.0 ** np.arange(-300, 300)])
    y, d = phi.value_and_derivative(np.sort(np.concatenate([-z, z])))
    assert (d >= 0).all()
    assert (np.diff(y) >= 0).all()
    low, high = facts.range
    assert np.array_equal(phi(np.array([-np.inf, np.inf])), [low, high])
    left, right = np.split(phi.derivative(np.linspace(-40, 40, 8001)), [4000])
    falls = {"never": (False, False), "below": (True, False), "both": (True, True)}[facts.saturates]
    assert (left[0] < phi.saturation_threshold, right[-1] < phi.saturation_threshold) == falls
    assert (np.diff(left) >= 0).all()
    assert ((np.diff(right[1:]) <= 0) if falls[1] else (np.diff(right[1:]) >= 0)).all()
    if facts.symmetry != "none":
        np.testing.assert_allclose(phi(z) + phi(-z), 2 * phi(0.0), rtol=1e-15)
        assert np.array_equal(phi.derivative(z), phi.derivative(-z))
        assert (facts.symmetry == "odd") == (phi(0.0) == 0)


@each
def test_lines_near_zero_and_far_away(phi):
    facts = phi.facts
    assert (facts.near_zero is None) == (phi(0.0) != 0)
    for line, scale in ((facts.near_zero, 2.0**-60), (facts.far, 2.0**110)):
        if line is None:
            continue
        z = np.array([-1.0, 1.0]) * scale
        error = phi(z) - z * [line.left, line.right]
        assert np.abs(error).max() <= 2.0**-52 * scale * max(line.left, line.right)


@each
def test_a_unit_is_saturated_below_a_hundredth_of_the_bound(phi):
    share = 0.0 if phi.name in ("relu", "leaky_relu") else 0.01
    assert phi.saturation_threshold == share * phi.derivative_bound


def test_a_missing_fact_is_an_error(monkeypatch):
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'far'"):
        activations.Facts(**{name: 0 for name in activations.Facts.__dataclass_fields__ if name != "far"})
    row = activations.FACTS["elu"](1.0)
    with pytest.raises(ValueError, match="only a bounded activation is constant"):
        dataclasses.replace(row, far=None)
    with pytest.raises(ValueError, match="no such saturation or symmetry: 'often'"):
        dataclasses.replace(row, saturates="often")
    rows = dict(activations.FACTS)
    monkeypatch.setattr(activations, "FACTS", {**rows, "elu": lambda beta: row})
    with pytest.raises(TypeError, match="elu and its facts take different parameters"):
        activations._check_rows()
    del rows["elu"]
    monkeypatch.setattr(activations, "FACTS", rows)
    with pytest.raises(TypeError, match=r"the same activations, not so \['elu'\]"):
        activations._check_rows()


@each
def test_records_are_values(phi):
    assert activation(phi) is phi
    assert pickle.loads(pickle.dumps(phi)) == phi
    assert hash(phi) == hash(Activation(phi.name, phi.parameter))


def test_labels_and_defaults():
    assert str(activation("elu")) == "elu(alpha=1)"
    assert str(activation("tanh")) == "tanh"
    assert activation("leaky_relu").parameter == 0.01
    assert activation("leaky_relu").parameter_name == "negative_slope"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: activation("rleu"), ValueError, "unknown activation 'rleu'; did you mean 'relu'"),
        (lambda: activation(None), ValueError, "unknown activation None"),
        (lambda: activation("relu", alpha=1.0), TypeError, "relu takes no parameter, got alpha"),
        (lambda: activation("elu", negative_slope=1.0), TypeError, "elu takes alpha, got negative_slope"),
        (lambda: activation("elu", alpha=-0.5), ValueError, "alpha must be between 0"),
        (
            lambda: activation("leaky_relu", negative_slope=math.nan),
            ValueError,
            "negative_slope must be between 0",
        ),
        (lambda: activation(activation("elu"), alpha=2.0), TypeError, "is a record already"),
        (lambda: Activation("swish"), ValueError, "unknown activation 'swish'"),
        (lambda: Activation("tanh", 2.0), TypeError, "tanh takes no parameter, got 2.0"),
    ],
)
def test_wrong_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_backend_reads_other_real_types_as_float64(name, backend):
    """The compiled backend is NumPy ufuncs, which do; without this tanh of the integer 1 was the integer 0."""
    if backend == "numba":
        pytest.importorskip("numba")
    phi = activation(name)
    for x in (np.array([-3, 0, 2], np.int8), np.array([-3, 0, 2], np.longdouble), [-3, 0, 2], -3):
        for got, want in zip(phi.value_and_derivative(x, backend=backend), phi.value_and_derivative(x), strict=True):
            assert got.dtype == np.float64
            assert got.shape == np.shape(x)
            assert np.abs(got - want).max() <= 1e-15 * np.abs(want).max()
        assert np.array_equal(phi(x, backend=backend), phi.value_and_derivative(x, backend=backend)[0])
        assert np.array_equal(phi.derivative(x, backend=backend), phi.value_and_derivative(x, backend=backend)[1])


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("phi", [*ACTIVATIONS, activation("elu", alpha=0.3)], ids=str)
def test_every_backend_keeps_float16(phi, backend):
    """It was float64; the compiled backend is held to the true values in test_functions.py."""
    phi, x = activation(phi), np.arange(2**16, dtype=np.uint16).view(np.float16)
    wide = x[np.isfinite(x)].astype(np.float64)
    got = phi.value_and_derivative(x, backend=backend)
    assert np.array_equal(got[0], phi(x, backend=backend), equal_nan=True)
    assert np.array_equal(got[1], phi.derivative(x, backend=backend), equal_nan=True)
    for mine, true in zip(got, (phi(wide), phi.derivative(wide)), strict=True):
        assert mine.dtype == np.float16
        assert (oracle.ulp_error(mine[np.isfinite(x)], (true, np.zeros_like(true)), np.float16) <= 0.501).all()


def test_elu_is_relu_only_where_alpha_is_nothing_beside_the_scale():
    assert activation("elu").homogeneous_limit(2.0**65) == activation("relu")
    assert activation("elu", alpha=2.0**90).homogeneous_limit(2.0**70) is None
    assert activation("elu", alpha=2.0**90).homogeneous_limit(2.0**155) == activation("relu")
