"""Test the tests: every planted mistake must make a check fail."""

import checks
import numpy as np
import pytest

from fastgrad import kernels

reference = kernels.get("numpy")
BOUND = reference.ULP_BOUND


def _sigmoid(z):
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-z))).astype(z.dtype)


@np.errstate(all="ignore")
def tanh_derivative_from_y(z):
    y = np.tanh(z)
    return 1 - y * y


def sigmoid_derivative_from_y(z):
    y = _sigmoid(z)
    return y * (1 - y)


def sigmoid_derivative_of_clipped_z(z):
    return reference.derivative("sigmoid", np.clip(z, -30, 30))


def elu_by_exp_minus_one(z):
    return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)


def elu_derivative_from_y(z):
    return np.where(z > 0, np.ones_like(z), reference.value("elu", z, 1.0) + 1)


def tanh_wrong_by_a_few_ulp(z):
    return reference.value("tanh", z) * z.dtype.type(1 + 8 * np.finfo(z.dtype).eps)


def tanh_flushing_subnormals(z):
    y = reference.value("tanh", z)
    return np.where(np.abs(y) < np.finfo(z.dtype).smallest_normal, np.zeros_like(y), y)


def sigmoid_derivative_in_half_precision(z):
    with np.errstate(over="ignore"):
        return reference.derivative("sigmoid", z).astype(np.float16).astype(z.dtype)


INACCURATE = [
    ("derivative", "tanh", tanh_derivative_from_y),
    ("derivative", "sigmoid", sigmoid_derivative_from_y),
    ("derivative", "sigmoid", sigmoid_derivative_of_clipped_z),
    ("derivative", "sigmoid", sigmoid_derivative_in_half_precision),
    ("value", "elu", elu_by_exp_minus_one),
    ("derivative", "elu", elu_derivative_from_y),
    ("value", "tanh", tanh_wrong_by_a_few_ulp),
    ("value", "tanh", tanh_flushing_subnormals),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "name", "saboteur"), INACCURATE, ids=lambda x: getattr(x, "__name__", None))
def test_an_inaccurate_kernel_fails(kind, name, saboteur, dtype):
    parameter = 1.0 if name == "elu" else None
    checks.accurate(lambda z: getattr(reference, kind)(name, z, parameter), kind, name, dtype, parameter, BOUND)
    with pytest.raises(AssertionError):
        checks.accurate(saboteur, kind, name, dtype, parameter, BOUND)


def _relu_losing_nan(z):
    return np.where(z > 0, z, np.zeros_like(z))


def _relu_derivative_losing_nan(z):
    return (z > 0).astype(z.dtype)


def _relu_derivative_one_at_zero(z):
    return np.where(np.isnan(z), z, (z >= 0).astype(z.dtype))


def _leaky_multiplying_infinity_by_zero(z):
    with np.errstate(invalid="ignore"):
        return np.where(z > 0, z, 0 * z)


def _tanh_losing_the_sign_of_zero(z):
    return reference.value("tanh", z) + 0.0


def _elu_derivative_one_at_zero(z):
    return np.where(z >= 0, np.ones_like(z), reference.derivative("elu", z, 0.3))


MISBEHAVED = [
    ("relu", None, _relu_losing_nan, None),
    ("relu", None, None, _relu_derivative_losing_nan),
    ("relu", None, None, _relu_derivative_one_at_zero),
    ("leaky_relu", 0.0, _leaky_multiplying_infinity_by_zero, None),
    ("tanh", None, _tanh_losing_the_sign_of_zero, None),
    ("elu", 0.3, None, _elu_derivative_one_at_zero),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "parameter", "value", "derivative"), MISBEHAVED, ids=lambda x: getattr(x, "__name__", None)
)
def test_a_kernel_that_mistreats_special_inputs_fails(name, parameter, value, derivative, dtype):
    def honest_value(z):
        return reference.value(name, z, parameter)

    def honest_derivative(z):
        return reference.derivative(name, z, parameter)

    checks.special(honest_value, honest_derivative, name, dtype, parameter)
    with pytest.raises(AssertionError):
        checks.special(value or honest_value, derivative or honest_derivative, name, dtype, parameter)
