"""The activations for JAX, with derivatives from z that are right in the tails: for ``jit``, ``grad``, ``vmap``.

``import fastgrad`` does not load it, and JAX is no dependency.
"""

# Design: - These are the formulas of formulas.py run by XLA, not the compiled kernels. Calling those would need either
#           jax.pure_callback, which deadlocks with one CPU (seen with 2^22 floats, JAX 0.10) and took 130 us for 2^16
#           floats where jnp.tanh takes 26, or an extension built against XLA's headers.
#         - What JAX's own functions lack is the derivative: that of jnp.tanh is 0 from |z| = 8. It comes as a
#           custom_jvp, so forward and reverse mode have it; higher derivatives are JAX's of that formula.
#         - float16 and bfloat16 are computed in float32 and rounded once.
#         - XLA's exp costs a few ULP, and it flushes subnormal numbers to 0.

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

try:
    import jax
    import jax.numpy as jnp
    from jax.typing import ArrayLike
except ImportError as error:
    raise ImportError("fastgrad.jax needs JAX: pip install jax") from error

from fastgrad import formulas
from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.kernels import reference
from fastgrad.kernels.names import bind
from fastgrad.signatures import document, function_of

_NAMES = bind(
    {
        **reference.PRIMITIVES,
        "fabs": jnp.abs,
        "copysign": jnp.copysign,
        "minimum": jnp.minimum,
        "maximum": jnp.maximum,
        "where": jnp.where,
        "expm1": jnp.expm1,
        "significand": jnp.exp,
        "p": jnp.expm1,
        "scaled_exp": lambda c, x: c * jnp.exp(x / 2) * jnp.exp(x / 2),
    }
)


@cache
def _function(phi: Activation):
    """phi as a function of an array, with its derivative."""
    more = () if phi.parameter is None else (phi.parameter,)
    formula, derivative = _NAMES[phi.name], _NAMES[f"{phi.name}_derivative"]

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


def _document(name):
    summary, parameter = formulas.VALUES[name].__doc__, formulas.PARAMETERS.get(name, ("",))[0]
    array = """x : array_like
    Real, of any shape. Floating types are kept, others go to JAX's default; float16 and bfloat16 are computed in
    float32 and rounded once."""
    return document(summary, array, "jax.Array\n    Of the same shape.", ["TypeError\n    If x is complex."], parameter)


_HINTS = {"x": ArrayLike, "return": jax.Array}
FUNCTIONS = {name: function_of(name, _apply, activation, _document(name), _HINTS) for name in ACTIVATIONS}
globals().update(FUNCTIONS)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Callable[..., jax.Array]: ...
