"""fastgrad.jax: values and derivatives against mpmath where JAX's own are 0, through jit, vmap and both modes."""

import numpy as np
import oracle
import pytest

import fastgrad
from fastgrad.formulas import PARAMETERS, VALUES

jax = pytest.importorskip("jax")
import fastgrad.jax as fj  # noqa: E402

CASES = {name: {PARAMETERS[name][0]: 0.25} if name in PARAMETERS else {} for name in VALUES}
LIMIT = 8  # ULP: XLA's exp and expm1 have up to 5


def function(name):
    return lambda z: getattr(fj, name)(z, **CASES[name])


def points():
    """Where value and derivative are normal numbers, or exactly 0."""
    z = np.linspace(-43, 43, 4001, dtype=np.float32)
    return z[np.abs(z) > 1e-3]


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    z = points()
    parameter = next(iter(CASES[name].values()), None)
    slope = jax.jit(jax.vmap(jax.grad(function(name))))
    for kind, got in (("value", jax.jit(function(name))(z)), ("derivative", slope(z))):
        error = oracle.ulp_error(np.asarray(got), oracle.exact(kind, name, z, parameter), "float32")
        assert np.max(error) <= LIMIT


@pytest.mark.parametrize(("name", "number"), [("tanh", -20.0), ("sigmoid", 30.0), ("elu", -40.0)])
def test_the_tails_where_jax_gives_zero(name, number):
    theirs = {"tanh": jax.numpy.tanh, "sigmoid": jax.nn.sigmoid, "elu": jax.nn.elu}[name]
    z = jax.numpy.float32(number)
    assert jax.grad(theirs)(z) == 0
    true = float(getattr(fastgrad, f"{name}_derivative")(number))
    got = float(jax.grad(getattr(fj, name))(z))
    assert abs(got / true - 1) <= 1e-6


def test_forward_mode_and_second_derivative():
    _, slope = jax.jvp(fj.tanh, (0.5,), (1.0,))
    assert slope == jax.grad(fj.tanh)(0.5)
    second = float(jax.grad(jax.grad(fj.tanh))(0.5))
    t = np.tanh(0.5)
    assert abs(second / (-2 * t * (1 - t * t)) - 1) <= 1e-5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_short_types_are_computed_in_float32_and_rounded_once(name, dtype):
    z = jax.numpy.arange(2**16, dtype="uint16").view(dtype)
    z = z[jax.numpy.isfinite(z)]
    wide = z.astype("float32")
    slope = jax.vmap(jax.grad(function(name)))
    for got, want in ((function(name)(z), function(name)(wide)), (slope(z), slope(wide))):
        assert got.dtype == z.dtype
        np.testing.assert_array_equal(got.view("uint16"), want.astype(dtype).view("uint16"))


def test_types():
    assert fj.tanh(np.arange(3)).dtype == jax.numpy.asarray(0.5).dtype  # JAX's default
    assert fj.tanh(jax.numpy.ones(3, "bfloat16")).dtype == jax.numpy.bfloat16
    with pytest.raises(TypeError, match="takes real arrays, got complex"):
        fj.tanh(1j)
    with pytest.raises(ValueError, match="alpha must be between"):
        fj.elu(1.0, alpha=-1)
