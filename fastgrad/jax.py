"""The five activations for JAX, with derivatives from z that are right in the tails: for ``jit``, ``grad``, ``vmap``.

``import fastgrad`` does not load it, and JAX is no dependency.
"""

# Design: - These are the formulas of formulas.py run by XLA, not the compiled kernels. Calling those would need either
#           jax.pure_callback, which deadlocks with one CPU (seen with 2^22 floats, JAX 0.10) and took 130 us for 2^16
#           floats where jnp.tanh takes 26, or an extension built against XLA's headers.
#         - What JAX's own functions lack is the derivative: that of jnp.tanh is 0 from |z| = 8. It comes as a
#           custom_jvp, so forward and reverse mode have it; higher derivatives are JAX's of that formula.
#         - float16 and bfloat16 are computed in float32 and rounded once.
#         - XLA's exp costs a few ULP, and it flushes subnormal numbers to 0.

from functools import cache
from types import FunctionType

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("fastgrad.jax needs JAX: pip install jax") from error

from fastgrad import formulas
from fastgrad.activations import Activation, activation
from fastgrad.kernels import reference

_NAMES = {
    **reference.NAMES,
    "fabs": jnp.abs,
    "copysign": jnp.copysign,
    "minimum": jnp.minimum,
    "maximum": jnp.maximum,
    "where": jnp.where,
    "expm1": jnp.expm1,
    "significand": jnp.exp,
    "one_plus_p": jnp.exp,
    "p": jnp.expm1,
    "scaled_exp": lambda c, x: c * jnp.exp(x / 2) * jnp.exp(x / 2),
}
for _helper in (formulas.sigmoid_tail, formulas.minus_twice, formulas.tanh_part, formulas.over_one_plus):
    _NAMES[_helper.__name__] = FunctionType(_helper.__code__, _NAMES)


@cache
def _function(phi: Activation):
    """phi as a function of an array, with its derivative."""
    more = () if phi.parameter is None else (phi.parameter,)
    formula = FunctionType(formulas.VALUES[phi.name].__code__, _NAMES)
    derivative = FunctionType(formulas.DERIVATIVES[phi.name].__code__, _NAMES)

    def rounded(function, z):
        return function(z.astype(jnp.promote_types(z.dtype, jnp.float32)), *more).astype(z.dtype)

    @jax.custom_jvp
    def value(z):
        return rounded(formula, z)

    @value.defjvp
    def _(inputs, tangents):
        return value(*inputs), rounded(derivative, *inputs) * tangents[0]

    return value


def _apply(x, phi):
    z = jnp.asarray(x)
    if jnp.issubdtype(z.dtype, jnp.complexfloating):
        raise TypeError(f"fastgrad.jax takes real arrays, got {z.dtype}")
    return _function(phi)(z if jnp.issubdtype(z.dtype, jnp.floating) else z.astype(float))


def sigmoid(x) -> jax.Array:
    """1 / (1 + e^-z), elementwise, for a real array of any shape; TypeError if it is complex.

    Floating types are kept, others go to JAX's default.
    """
    return _apply(x, activation("sigmoid"))


def tanh(x) -> jax.Array:
    """The hyperbolic tangent; see :func:`sigmoid`."""
    return _apply(x, activation("tanh"))


def relu(x) -> jax.Array:
    """max(z, 0); see :func:`sigmoid`."""
    return _apply(x, activation("relu"))


def leaky_relu(x, negative_slope: float = formulas.PARAMETERS["leaky_relu"][1]) -> jax.Array:
    """z above 0, negative_slope * z below; see :func:`sigmoid`. ValueError if the slope is not in [0, 2**100]."""
    return _apply(x, activation("leaky_relu", negative_slope=negative_slope))


def elu(x, alpha: float = formulas.PARAMETERS["elu"][1]) -> jax.Array:
    """z above 0, alpha (e^z - 1) below; see :func:`sigmoid`. ValueError if alpha is not in [0, 2**100]."""
    return _apply(x, activation("elu", alpha=alpha))
