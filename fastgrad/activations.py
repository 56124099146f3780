"""The activations as records: name, parameter, the facts about each in one row, and the kernels behind them."""

# Design: - What is known of an activation beside its formulas stands in its row of FACTS, a function of its parameter;
#           names, functions, limits, moments, the audit and the classes for PyTorch follow from the row.
#         - A fact has no default. A row that lacks one, and a formula without a row, is an error at import: a default
#           would be wrong of the next activation, silently.
#         - Monotone activations only: saturated and dead units are counted by a phi' that is never negative, and the
#           audit judges order. tests/test_activations.py holds every row to this and to its other facts.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite

import numpy as np

from fastgrad import formulas, kernels
from fastgrad._validation import known, real_array, shown

ACTIVATIONS = tuple(formulas.VALUES)
PARAMETER_NAMES = tuple(sorted({name for name, _ in formulas.PARAMETERS.values()}))

# A unit is saturated on a sample where its derivative is below this share of the activation's largest
# derivative: |z| > 5.98 for sigmoid, 2.99 for tanh, z < -4.6 for ELU with alpha 1. A hundredfold loss in one
# layer cannot be made up by any initialisation that keeps the signal in range. Piecewise linear activations
# have no tail to saturate in (their inactive half is what they are for), and report 0.
SATURATED_SHARE = 0.01


@dataclass(frozen=True)
class Line:
    """phi is ``left * z`` below 0 and ``right * z`` above, to rounding, for |z| on one side of ``scale``."""

    scale: float
    left: float
    right: float


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an activation at one value of its parameter.

    Attributes
    ----------
    title : str
        The name of its class in ``fastgrad.torch``, which is PyTorch's where PyTorch has it.
    value, derivative : callable
        float64 array -> float64 array, from a textbook and not from formulas.py: what the audit judges by. NaN where
        the derivative is a convention, on which libraries differ.
    range : (float, float)
        phi at -inf and at inf.
    derivative_bound : float
        The largest value of phi'.
    ulp : {"value": float, "derivative": float}
        The largest error that any input may have, in units in the last place, in the kernels that are made of
        arithmetic; the tests hold them to it, and ``fastgrad audit`` prints the worst that was found.
    saturates : {"never", "below", "both"}
        Where phi' falls towards 0: nowhere, for z < 0, or for z of both signs. Above 0 it does not fall otherwise, and
        below 0 it never rises with |z|.
    symmetry : {"none", "odd", "point"}
        "odd": phi(-z) = -phi(z); "point": that of phi - phi(0) only. Either makes phi' even.
    near_zero, far : Line or None
        What phi is for |z| below, and above, a scale; None where that is a constant.
    """

    title: str
    value: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]
    range: tuple[float, float]
    derivative_bound: float
    ulp: Mapping[str, float]
    saturates: str
    symmetry: str
    near_zero: Line | None
    far: Line | None

    def __post_init__(self):
        if self.saturates not in ("never", "below", "both") or self.symmetry not in ("none", "odd", "point"):
            raise ValueError(f"{self.title}: no such saturation or symmetry: {self.saturates!r}, {self.symmetry!r}")
        if (self.far is None) != all(map(isfinite, self.range)):
            raise ValueError(f"{self.title}: only a bounded activation is constant far from 0")


def _elu_derivative(z, alpha):
    slopes = np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))
    return slopes if alpha == 1 else np.where(z == 0, np.nan, slopes)


def _kinked(z, left):
    return np.where(z > 0, 1.0, np.where(z < 0, left, np.nan))


FACTS: Mapping[str, Callable[..., Facts]] = {
    "sigmoid": lambda: Facts(
        title="Sigmoid",
        value=lambda z: 1 / (1 + np.exp(-z)),
        derivative=lambda z: 0.25 / np.cosh(z / 2) ** 2,
        range=(0.0, 1.0),
        derivative_bound=0.25,
        ulp={"value": 1.5, "derivative": 2.5},
        saturates="both",
        symmetry="point",
        near_zero=None,
        far=None,
    ),
    "tanh": lambda: Facts(
        title="Tanh",
        value=np.tanh,
        derivative=lambda z: 1 / np.cosh(z) ** 2,
        range=(-1.0, 1.0),
        derivative_bound=1.0,
        ulp={"value": 2.0, "derivative": 2.5},
        saturates="both",
        symmetry="odd",
        near_zero=Line(2.0**-27, 1.0, 1.0),  # z - z^3/3 ...
        far=None,
    ),
    "relu": lambda: Facts(
        title="ReLU",
        value=lambda z: np.maximum(z, 0),
        derivative=lambda z: _kinked(z, 0.0),
        range=(0.0, inf),
        derivative_bound=1.0,
        ulp={"value": 0.5, "derivative": 0.5},
        saturates="never",
        symmetry="none",
        near_zero=Line(inf, 0.0, 1.0),
        far=Line(0.0, 0.0, 1.0),
    ),
    "leaky_relu": lambda negative_slope: Facts(
        title="LeakyReLU",
        value=lambda z: np.where(z > 0, z, negative_slope * z),
        derivative=lambda z: _kinked(z, negative_slope),
        range=(-inf if negative_slope else 0.0, inf),
        derivative_bound=max(1.0, negative_slope),
        ulp={"value": 1.0, "derivative": 1.0},
        saturates="never",
        symmetry="none",
        near_zero=Line(inf, negative_slope, 1.0),
        far=Line(0.0, negative_slope, 1.0),
    ),
    "elu": lambda alpha: Facts(
        title="ELU",
        value=lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        derivative=lambda z: _elu_derivative(z, alpha),
        range=(-alpha, inf),
        derivative_bound=max(1.0, alpha),
        ulp=dict.fromkeys(("value", "derivative"), 1.5 if alpha == 1 else 2.0),
        saturates="below",
        symmetry="none",
        near_zero=Line(2.0**-53, alpha, 1.0),  # alpha (z + z^2/2 ...)
        far=Line(2.0**64 * max(1.0, alpha), 0.0, 1.0),  # beside which alpha is nothing
    ),
}


@lru_cache
def _facts(phi: "Activation") -> Facts:
    return FACTS[phi.name]() if phi.parameter is None else FACTS[phi.name](phi.parameter)


@dataclass(frozen=True)
class Activation:
    """An activation function with its parameter.

    Get one with :func:`activation`. Calling it gives phi(x); ``derivative(x)`` gives phi'(x) from x, right in the
    tails; ``value_and_derivative(x)`` gives both in one pass. Arrays of float16, float32 and float64 keep their
    type, other real types go to float64.

    Attributes
    ----------
    name : str
        One of ``fastgrad.ACTIVATIONS``.
    parameter : float or None
        ELU's alpha or Leaky ReLU's negative slope, 0 to 2^100; None for the others.
    """

    name: str
    parameter: float | None = None

    def __post_init__(self):
        known("activation", self.name, ACTIVATIONS)
        if self.parameter_name is None:
            if self.parameter is not None:
                raise TypeError(f"{self.name} takes no parameter, got {shown(self.parameter)}")
            return
        value = formulas.PARAMETERS[self.name][1] if self.parameter is None else self.parameter
        object.__setattr__(self, "parameter", check_parameter(self.parameter_name, value))

    @property
    def parameter_name(self) -> str | None:
        """``"alpha"``, ``"negative_slope"`` or None."""
        return formulas.PARAMETERS.get(self.name, (None, None))[0]

    @property
    def label(self) -> str:
        """Name and parameter: ``elu(alpha=1)``."""
        return self.name if self.parameter is None else f"{self.name}({self.parameter_name}={self.parameter:g})"

    def __str__(self) -> str:
        return self.label

    @property
    def facts(self) -> Facts:
        """The row of FACTS at this parameter."""
        return _facts(self)

    @property
    def derivative_bound(self) -> float:
        """The largest value of phi': the most that one layer's activation can multiply delta by."""
        return self.facts.derivative_bound

    @property
    def bounded(self) -> bool:
        """Whether phi has a limit on both sides."""
        return self.facts.far is None

    @property
    def saturation_threshold(self) -> float:
        """The derivative below which a unit is saturated, ``SATURATED_SHARE`` of the bound; 0 if none ever is."""
        return 0.0 if self.facts.saturates == "never" else SATURATED_SHARE * self.derivative_bound

    @property
    def gain(self) -> float:
        """1/sqrt(E phi'(Z)^2), Z standard normal.

        Weights of standard deviation gain/sqrt(n) keep the scale of delta where the pre-activations have unit
        variance. sqrt(2) for ReLU, as in He et al. 2015, equation 14.
        """
        from fastgrad.moments import derivative_second_moment

        return derivative_second_moment(self, 1.0) ** -0.5

    def homogeneous_limit(self, scale: float) -> "Activation | None":
        """The positively homogeneous activation that this one equals, to rounding, on inputs of size ``scale``.

        ReLU and Leaky ReLU are their own limits; tanh and ELU are linear near 0, in float64 indistinguishably; ELU is
        ReLU at a large scale. None if there is none of slope 1 above 0: then powers of two cannot be carried through
        the activation.
        """
        near, far = self.facts.near_zero, self.facts.far
        line = near if near and scale < near.scale else far if far and scale > far.scale else None
        if line is None or line.right != 1.0:
            return None
        return Activation("leaky_relu", line.left) if line.left else Activation("relu")

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
        raise TypeError(f"{name} must be a real number, got {shown(value)}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, got {shown(value)}") from None
    if not 0.0 <= number <= 2.0**100:
        raise ValueError(f"{name} must be between 0 and 2**100, got {shown(value)}")
    return number


def activation(name: "str | Activation", **parameter: float) -> Activation:
    """The record of the named activation.

    Parameters
    ----------
    name : str or Activation
        One of ``ACTIVATIONS``, such as ``"elu"``; a record is returned as it is.
    **parameter
        ``alpha`` for ELU (default 1), ``negative_slope`` for Leaky ReLU (default 0.01).

    Returns
    -------
    Activation

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
    allowed = formulas.PARAMETERS.get(known("activation", name, ACTIVATIONS), (None, None))[0]
    for given in parameter:
        if given != allowed:
            takes = f"takes {allowed}" if allowed else "takes no parameter"
            raise TypeError(f"{name} {takes}, got {given}")
    return Activation(name, parameter.get(allowed))  # type: ignore[arg-type]


def _check_rows():
    """A row for every pair of formulas, with the same parameter and every fact."""
    if odd := FACTS.keys() ^ formulas.VALUES.keys():
        raise TypeError(f"formulas.py and FACTS in activations.py must have the same activations, not so {sorted(odd)}")
    for name, row in FACTS.items():
        for formula in (formulas.VALUES[name], formulas.DERIVATIVES[name]):
            if _arguments(formula)[1:] != _arguments(row):
                raise TypeError(f"{formula.__name__} and its facts take different parameters")
        _facts(Activation(name))


def _arguments(function):
    return function.__code__.co_varnames[: function.__code__.co_argcount]


_check_rows()
