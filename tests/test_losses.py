"""Losses and their gradients against mpmath, also where outputs or softmax leave the float range."""

import math
import re

import numpy as np
import oracle
import pytest
from checks_network import assert_delta_close, exact_cross_entropy, exact_mse

from fastgrad import losses
from fastgrad.losses import cross_entropy, mse, scaled_cross_entropy, scaled_mse

rng = np.random.default_rng(0)


@pytest.mark.parametrize(("dtype", "limit"), [("float64", 1e-13), ("float32", 1e-7)])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_cross_entropy_against_mpmath(dtype, limit, scale):
    outputs = (scale * rng.standard_normal((6, 5))).astype(dtype)
    labels = rng.integers(0, 5, 6)
    loss, delta = cross_entropy(outputs, labels)
    exact_loss, exact = exact_cross_entropy(outputs, labels)
    assert isinstance(loss, float)
    assert delta.dtype == dtype
    assert abs(loss / exact_loss - 1) <= 1e-14
    assert_delta_close(delta, 0, exact, limit)


def test_softmax_saturated_at_the_label_does_not_cancel():
    """p - 1 is 0 in float64 from a margin of 37, and the others underflow from 745; delta goes on."""
    for margin in (30.0, 40.0, 200.0, 5000.0):
        outputs = np.array([[margin, 0.0, 1.0]])
        loss, delta, k = scaled_cross_entropy(outputs, np.array([0]))
        exact_loss, exact = exact_cross_entropy(outputs, np.array([0]))
        assert_delta_close(delta, k, exact, 1e-12)
        if margin < 700:
            assert abs(loss / exact_loss - 1) <= 1e-14


@pytest.mark.parametrize("exponent", [-2000, -30, 3, 8])
def test_scaled_cross_entropy_against_mpmath(exponent):
    outputs = rng.uniform(-2, 2, (4, 3))
    labels = np.array([0, 1, 2, 0])
    loss, delta, k = scaled_cross_entropy(outputs, labels, exponent)
    exact_loss, exact = exact_cross_entropy(outputs, labels, exponent)
    assert abs(loss / exact_loss - 1) <= 1e-13
    assert_delta_close(delta, k, exact, 1e-10)


def test_exploded_outputs_have_a_delta():
    outputs = np.array([[1.0, 0.5], [0.5, 1.0]])
    loss, delta, k = scaled_cross_entropy(outputs, np.array([1, 1]), 3000)
    assert loss == np.inf
    assert np.array_equal(np.ldexp(delta, k), [[0.5, -0.5], [0.0, 0.0]])
    _, delta, _ = scaled_cross_entropy(outputs, np.array([0, 1]), 3000)
    assert not delta.any()  # right on every sample, by a margin beyond float64: delta is 0


@pytest.mark.parametrize(("dtype", "limit"), [("float64", 1e-15), ("float32", 2e-7)])
@pytest.mark.parametrize("exponent", [-3000, -40, 0, 40, 3000])
def test_mse_against_mpmath(dtype, limit, exponent):
    outputs, targets = rng.standard_normal((2, 4, 3)).astype(dtype)
    loss, delta, k = scaled_mse(outputs, targets, exponent)
    exact_loss, exact = exact_mse(outputs, targets, exponent)
    assert delta.dtype == dtype
    assert_delta_close(delta, k, exact, 4 * limit)
    if exponent < 500:
        assert abs(loss / exact_loss - 1) <= 1e-14
    else:
        assert loss == np.inf
    if exponent == 0:
        assert k == 0
        plain = mse(outputs, targets)
        assert plain[0] == loss
        assert np.array_equal(plain[1], delta)


def test_losses_of_other_types():
    assert cross_entropy([[0, 0]], [1])[1].dtype == np.float64
    assert cross_entropy([[0, 0]], [1])[0] == np.log(2.0)
    assert mse([[1, 2]], [[1, 4]])[0] == 2.0
    assert mse([[1], [2]], [1, 4])[0] == 2.0


@pytest.mark.parametrize("scale", [1, 10, 1000])
def test_losses_keep_float16(scale):
    """delta has float64's digits, rounded, subnormal numbers too; targets are not rounded to float16."""
    outputs = (scale * rng.standard_normal((40, 5))).astype(np.float16)
    targets = scale * rng.standard_normal((40, 5))
    for loss, y in ((cross_entropy, rng.integers(0, 5, 40)), (mse, targets.astype(np.float32))):
        value, delta = loss(outputs, y)
        want, exact = loss(outputs.astype(np.float64), y)
        assert delta.dtype == np.float16
        assert value == want
        assert (oracle.ulp_error(delta, (exact, np.zeros_like(exact)), np.float16) <= 0.501).all()
        assert (np.abs(exact) < 2**-14).any() or loss is mse or scale == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: cross_entropy([1.0, 2.0], [0, 1]),
            ValueError,
            "outputs must have shape (any, any), got (2,)",
        ),
        (
            lambda: cross_entropy(np.empty((0, 3)), []),
            ValueError,
            "outputs is an empty batch: it has no rows",
        ),
        (
            lambda: cross_entropy([[1.0], [2.0]], [0, 0]),
            ValueError,
            "the cross-entropy needs at least 2 outputs",
        ),
        (
            lambda: cross_entropy([[1j, 2]], [0]),
            TypeError,
            "outputs must hold real numbers, got dtype complex128",
        ),
        (lambda: cross_entropy([[1, 2], [3, np.nan]], [0, 0]), ValueError, "row 1 holds NaN or infinity"),
        (lambda: cross_entropy([[1, 2]], [0.0]), TypeError, "labels must hold integer labels"),
        (lambda: cross_entropy([[1, 2]], [True]), TypeError, "labels must hold integer labels"),
        (lambda: cross_entropy([[1, 2]], [0, 1]), ValueError, "labels must have shape (1,)"),
        (lambda: cross_entropy([[1, 2]], [[0]]), ValueError, "labels must have shape (1,)"),
        (
            lambda: cross_entropy([[1, 2], [1, 2]], [0, 2]),
            ValueError,
            "labels from 0 to 1, but row 1 holds 2",
        ),
        (lambda: cross_entropy([[1, 2]], [-1]), ValueError, "labels from 0 to 1, but row 0 holds -1"),
        (lambda: mse([[1, 2]], [1, 2]), ValueError, "targets must have shape (1, 2), got (2,)"),
        (lambda: mse([[1, 2]], [1]), ValueError, "targets must have shape (1, 2), a column for each output, got (1,)"),
        (lambda: mse([[1], [2]], [1, 2, 3]), ValueError, "targets must have shape (2, 1), got (3,)"),
        (lambda: mse([[1], [2]], [[1]]), ValueError, "targets must have shape (2, 1), got (1, 1)"),
        (lambda: mse([[1]], [[np.inf]]), ValueError, "targets must be finite in float64, but row 0"),
        (lambda: mse([[1]], [["a"]]), TypeError, "targets must hold real numbers"),
        (lambda: mse([[1]], np.array([[None]])), TypeError, "targets must hold real numbers, got dtype object"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_registry():
    assert losses.LOSSES == ("cross_entropy", "mse")


def test_a_loss_of_nothing_is_plus_zero():
    loss, delta = cross_entropy([[1e39, 2.0]], [0])
    assert math.copysign(1.0, loss) == 1.0
    assert loss == 0.0
    assert not delta.any()
