"""The five activations as records: name, parameter, derivative bound, gain, and the kernels behind them."""

import math
from dataclasses import dataclass

import numpy as np

from fastgrad import formulas, kernels
from fastgrad._validation import real_array, unknown

ACTIVATIONS = tuple(formulas.VALUES)

# 1/sqrt(E phi'(Z)^2), Z standard normal, where it has no closed form (the tests integrate it again).
_GAIN = {"sigmoid": 4.722646085937974, "tanh": 1.467413591630795}


@dataclass(frozen=True)
class Activation:
    """An activation function with its parameter.

    Get one with :func:`activation`. Calling it gives phi(x); ``derivative(x)`` gives phi'(x) from x, right in the
    tails; ``value_and_derivative(x)`` gives both in one pass. Arrays of float16, float32 and float64 keep their
    type, other real types go to float64.
    """

    name: str
    parameter: float | None = None

    def __post_init__(self):
        if self.name not in ACTIVATIONS:
            raise unknown("activation", self.name, ACTIVATIONS)
        if self.parameter_name is None:
            if self.parameter is not None:
                raise TypeError(f"{self.name} takes no parameter, got {self.parameter!r}")
            return
        value = formulas.PARAMETERS[self.name][1] if self.parameter is None else self.parameter
        object.__setattr__(self, "parameter", check_parameter(self.parameter_name, value))

    @property
    def parameter_name(self) -> str | None:
        """``"alpha"``, ``"negative_slope"`` or None."""
        return formulas.PARAMETERS.get(self.name, (None, None))[0]

    @property
    def label(self) -> str:
        """Name and parameter, as people write it: ``elu(alpha=1)``."""
        return self.name if self.parameter is None else f"{self.name}({self.parameter_name}={self.parameter:g})"

    def __str__(self) -> str:
        return self.label

    @property
    def derivative_bound(self) -> float:
        """The largest value of phi': the most that one layer's activation can let through."""
        return {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0}.get(self.name) or max(1.0, self.parameter or 0.0)

    @property
    def gain(self) -> float:
        """1/sqrt(E phi'(Z)^2), Z standard normal.

        Weights of standard deviation gain/sqrt(n) keep the scale of delta where the pre-activations have unit
        variance. sqrt(2) for ReLU, as in He et al. 2015, equation 14.
        """
        if self.name in _GAIN:
            return _GAIN[self.name]
        slope = self.parameter or 0.0
        below = math.exp(2.0) * math.erfc(math.sqrt(2.0)) / 2 if self.name == "elu" else 0.5
        return 1.0 / math.sqrt(0.5 + slope**2 * below)

    def homogeneous_limit(self, scale: float) -> "Activation | None":
        """The positively homogeneous activation that this one equals, to rounding, on inputs of size ``scale``.

        ReLU and Leaky ReLU are their own limits; tanh and ELU are linear near 0 (phi(z) = z - z^3/3 ..., below
        2^-27 indistinguishable in float64; ELU: z + z^2/2 ..., below 2^-53); ELU is ReLU at a large scale, beside
        which alpha is nothing. None if there is none: then powers of two cannot be carried through the
        activation.
        """
        if self.name in ("relu", "leaky_relu"):
            return self
        if self.name == "tanh" and scale < 2.0**-27:
            return Activation("leaky_relu", 1.0)
        if self.name == "elu" and scale < 2.0**-53:
            return Activation("leaky_relu", self.parameter)
        if self.name == "elu" and scale > 2.0**64 * max(1.0, self.parameter or 0.0):
            return Activation("relu")
        return None

    def __call__(self, x, out=None, backend: str = "compiled") -> np.ndarray:
        """phi(x), elementwise; TypeError if x is complex or holds objects."""
        return kernels.get(backend).value(self.name, _input(x, backend), self.parameter, out=out)

    def derivative(self, x, out=None, backend: str = "compiled") -> np.ndarray:
        """phi'(x), elementwise, computed from x; errors as for calling the record."""
        return kernels.get(backend).derivative(self.name, _input(x, backend), self.parameter, out=out)

    def value_and_derivative(self, x, out=(None, None), backend: str = "compiled") -> tuple[np.ndarray, np.ndarray]:
        """phi(x) and phi'(x) in one pass; errors as for calling the record."""
        return kernels.get(backend).value_and_derivative(self.name, _input(x, backend), self.parameter, out=out)


def _input(x, backend):
    """x as the kernels read it: the compiled ones are NumPy ufuncs, which check and convert by themselves."""
    return x if backend == "compiled" else real_array("x", x)


def check_parameter(name: str, value: float) -> float:
    """``value`` as a float; ValueError unless it is between 0 and 2**100.

    The upper end is where alpha e^z could leave the exponents that the kernels scale by.
    """
    if isinstance(value, str | bytes | bool):  # float() would take them
        raise TypeError(f"{name} must be a real number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, got {value!r}") from None
    if not 0.0 <= number <= 2.0**100:
        raise ValueError(f"{name} must be between 0 and 2**100, got {value!r}")
    return number


def activation(name: "str | Activation", **parameter: float) -> Activation:
    """The record of the named activation.

    Parameters
    ----------
    name : str or Activation
        ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"elu"``; a record is returned as it is.
    **parameter
        ``alpha`` for ELU (default 1), ``negative_slope`` for Leaky ReLU (default 0.01).

    Raises
    ------
    ValueError
        If the name is unknown, or the parameter is negative, NaN or above 2**100.
    TypeError
        If the activation does not take that parameter.

    Examples
    --------
    >>> activation("elu", alpha=0.5).derivative_bound
    1.0
    """
    if isinstance(name, Activation):
        if parameter:
            raise TypeError(f"{name} is a record already and takes no further parameter, got {', '.join(parameter)}")
        return name
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    allowed = formulas.PARAMETERS.get(name, (None, None))[0]
    for given in parameter:
        if given != allowed:
            takes = f"takes {allowed}" if allowed else "takes no parameter"
            raise TypeError(f"{name} {takes}, got {given}")
    return Activation(name, parameter.get(allowed))  # type: ignore[arg-type]
