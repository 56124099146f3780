"""Initial weights and biases: Xavier and He, the defaults of PyTorch and Keras, and a normal of fixed scale.

A rule is a variance, a distribution and a bias. ``initializer(name)`` gives it as a record; the functions
draw one weight matrix, shape ``(fan_in, fan_out)``.
"""

# Design: There is one variance per rule, read by the draw, by the theory, by Numba and by the tests. The drawing is in
#         draws.py. A little over 350 lines, as every rule is a documented function.

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np

from fastgrad import draws
from fastgrad._validation import float_dtype, known, positive_int, real_number, shown, unknown
from fastgrad.draws import Rng

MODES = ("fan_in", "fan_out", "fan_avg")

# Variances are squares, and within these every one of them is an ordinary float64.
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-500, 2.0**500
LEAST = {"gain": SMALLEST_SCALE, "std": SMALLEST_SCALE, "negative_slope": 0.0}  # of an option; a std may be 0 too


def _xavier(fan_in, fan_out, gain=1.0):
    return 2.0 * (gain * gain) / (fan_in + fan_out)


def _he(fan_in, fan_out, negative_slope, mode):
    fan = fan_in if mode == "fan_in" else fan_out if mode == "fan_out" else (fan_in + fan_out) / 2
    return 2.0 / ((1.0 + negative_slope * negative_slope) * fan)


def _per_fan_in(scale):
    return lambda fan_in, fan_out: scale / fan_in


class _Rule(NamedTuple):
    """Var W of (fan_in, fan_out, **options), how to draw it, the options' defaults, and Var b."""

    variance: Callable[..., float]
    distribution: str
    defaults: Mapping = {}
    bias_variance: Callable[[int], float] = lambda fan_in: 0.0


_HE_DEFAULTS = {"negative_slope": 0.0, "mode": "fan_in"}
RULES = {
    "xavier_normal": _Rule(_xavier, "normal", {"gain": 1.0}),
    "xavier_uniform": _Rule(_xavier, "uniform", {"gain": 1.0}),
    "he_normal": _Rule(_he, "normal", _HE_DEFAULTS),
    "he_uniform": _Rule(_he, "uniform", _HE_DEFAULTS),
    "lecun_normal": _Rule(_per_fan_in(1.0), "truncated"),
    "keras_he_normal": _Rule(_per_fan_in(2.0), "truncated"),
    "keras_glorot_normal": _Rule(_xavier, "truncated"),
    "keras_dense": _Rule(_xavier, "uniform"),
    "torch_linear": _Rule(_per_fan_in(1 / 3), "uniform", bias_variance=lambda fan_in: 1 / (3 * fan_in)),
    "normal": _Rule(lambda fan_in, fan_out, std: std * std, "normal", {"std": 0.01}),
}
_ALIASES = {
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
}
INITIALIZERS = tuple(RULES)
# What surveys compare unless they are told otherwise, and what diagrams point at.
SURVEYED = ("xavier_normal", "he_normal", "torch_linear")


@dataclass(frozen=True)
class Initializer:
    """A rule for initial weights and biases with its options, immutable; get one with :func:`fastgrad.initializer`.

    Attributes
    ----------
    name : str
        One of ``fastgrad.INITIALIZERS``; an alias becomes the name it stands for.
    options : mapping
        Every option of the rule by name, the defaults among them.
    """

    name: str
    options: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self):
        name = _ALIASES.get(self.name, self.name) if isinstance(self.name, str) else None
        if name not in RULES:
            raise unknown("initializer", self.name, (*INITIALIZERS, *_ALIASES))
        options = {**RULES[name].defaults}
        for key, value in self.options.items():
            if key not in options:
                takes = f"takes {', '.join(options)}" if options else "takes no options"
                raise TypeError(f"{name} {takes}, got {key}")
            options[key] = _check_option(key, value)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", MappingProxyType(options))

    def __hash__(self) -> int:
        return hash((self.name, *self.options.items()))  # every record has them in the order of its rule

    def __reduce__(self):
        return Initializer, (self.name, dict(self.options))  # a mapping proxy cannot be pickled or copied

    def __repr__(self) -> str:
        return f"Initializer({self.name!r}, {dict(self.options)!r})"

    @cached_property  # each layer of a network asks for it
    def label(self) -> str:
        """Name and the options that are not at their default, ``xavier_normal(gain=2)``; always the std."""
        shown = [
            f"{key}={value if key == 'mode' else format(value, 'g')}"
            for key, value in self.options.items()
            if key == "std" or value != RULES[self.name].defaults[key]
        ]
        return f"{self.name}({', '.join(shown)})" if shown else self.name

    def __str__(self) -> str:
        return self.label

    def weight_variance(self, fan_in: int, fan_out: int) -> float:
        """Var W of one weight of a ``(fan_in, fan_out)`` layer."""
        return RULES[self.name].variance(fan_in, fan_out, **self.options)

    def bias_variance(self, fan_in: int, fan_out: int) -> float:
        """Var b of one bias: 0 but for ``torch_linear``."""
        return RULES[self.name].bias_variance(fan_in)

    @property
    def distribution(self) -> str:
        """How weights and biases are spread: ``"normal"``, ``"uniform"`` or ``"truncated"``."""
        return RULES[self.name].distribution

    def weight(
        self, shape: tuple[int, int], rng: Rng = None, dtype=np.float32, *, stream: int = 0, workers: int = 1
    ) -> np.ndarray:
        """Weights, shape ``(fan_in, fan_out)``.

        ``rng`` is as in SPEC 7 of Scientific Python: a seed, a SeedSequence, a Generator, which then gives the seed, or
        None for fresh entropy, so that no two calls draw the same. ``stream`` numbers independent draws of one seed;
        ``workers`` is the number of threads that fill the array, and changes nothing else.
        ValueError if they are too large for the dtype.
        """
        shape = _check_shape(shape)
        std = math.sqrt(self.weight_variance(*shape))
        return draws.draw(f"weights of {self}", self.distribution, std, shape, rng, dtype, stream, workers)

    def bias(self, shape: tuple[int, int], rng: Rng = None, dtype=np.float32, *, stream: int = 0) -> np.ndarray:
        """The bias of a ``(fan_in, fan_out)`` layer, shape ``(fan_out,)``: zeros but for ``torch_linear``."""
        (fan_in, fan_out), dtype = _check_shape(shape), float_dtype(dtype)
        std = math.sqrt(self.bias_variance(fan_in, fan_out))
        return draws.draw(f"biases of {self}", self.distribution, std, fan_out, rng, dtype, stream)


def initializer(name: str | Initializer, **options: float | str) -> Initializer:
    """The record of the named initializer.

    Parameters
    ----------
    name : str or Initializer
        One of ``INITIALIZERS`` or an alias (``glorot_*`` for Xavier, ``kaiming_*`` for He); a record is
        returned as it is.
    **options
        ``gain`` (Xavier), ``negative_slope`` and ``mode`` (He), ``std`` (normal); see the functions of those
        names.

    Returns
    -------
    Initializer

    Raises
    ------
    ValueError
        If the name or ``mode`` is unknown, or an option is out of range or not finite.
    TypeError
        If the initializer does not take that option.

    Examples
    --------
    >>> initializer("he_normal").weight_variance(128, 128)
    0.015625
    """
    if isinstance(name, Initializer):
        if options:
            raise TypeError(f"{name} is a record and takes no further options, got {', '.join(options)}")
        return name
    return Initializer(name, options)


def _check_shape(shape):
    try:
        fan_in, fan_out = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape must be (fan_in, fan_out), got {shown(shape)}") from None
    return positive_int("fan_in", fan_in), positive_int("fan_out", fan_out)


def _check_option(key, value):
    if key == "mode":
        return known("fan mode", value, MODES)
    number = real_number(key, value, **({"above": 0.0} if key == "gain" else {"minimum": 0.0}))
    if number > LARGEST_SCALE:
        raise ValueError(f"{key} must be at most 2**500, got {shown(value)}")
    if 0 < number < LEAST[key]:
        raise ValueError(f"{key} must be at least 2**-500{' or 0' if key == 'std' else ''}, got {shown(value)}")
    return number


_SHAPE = """
Parameters
----------
shape : (int, int)
    ``(fan_in, fan_out)``.
"""
_GAIN = """gain : float
    Factor on the standard deviation, 2^-500 to 2^500; ``activation(name).gain`` is one that keeps delta's scale.
"""
_SLOPE_AND_MODE = """negative_slope : float
    Of the Leaky ReLU that follows, 0 to 2^500; 0 for ReLU.
mode : {"fan_in", "fan_out", "fan_avg"}
    Which fan: ``fan_in`` keeps the scale of the signal, ``fan_out`` that of delta.
"""
_STD = """std : float
    Standard deviation: 0, or 2^-500 to 2^500.
"""
_REST = """rng : int, SeedSequence or Generator, optional
    As in SPEC 7 of Scientific Python; without one the weights are drawn from fresh entropy, others at every call.
dtype : float32 or float64
    Of the weights, as NumPy takes it.

Returns
-------
ndarray of shape (fan_in, fan_out)
    The weights.

Raises
------
ValueError
    If the shape is not two positive numbers, an option is unknown or out of range, the seed is negative, or the
    weights would be too large for the dtype.
TypeError
    If the dtype, the seed, a fan or an option has the wrong type.

See Also
--------
fastgrad.initializer : The rule as a record, with its variances.

References
----------
{source}
"""


_cached = lru_cache(maxsize=256, typed=True)(lambda name, **options: Initializer(name, options))


def _record(name, **options):
    """The record of a call, that of an earlier one if there is: making one costs as much as 4,000 weights."""
    try:
        return _cached(name, **options)
    except TypeError:  # of an option that has no hash too
        return Initializer(name, options)


_GLOROT = "Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, equation"
_HE_2015 = "He et al. 2015, Delving deep into rectifiers, equations 10 (``fan_in``), 14 (``fan_out``), 15 (Leaky ReLU)."
Draw = TypeVar("Draw", bound=Callable[..., np.ndarray])


def _documented(source: str, options: str = "") -> Callable[[Draw], Draw]:
    """Completes a docstring by what the functions below have in common, their options and the rule's source."""

    def complete(function):
        if function.__doc__:  # not under -OO
            function.__doc__ = f"{inspect.cleandoc(function.__doc__)}\n{_SHAPE}{options}{_REST.format(source=source)}"
        return function

    return complete


@_documented(f"{_GLOROT} 12 (the variance; equation 16 is its uniform form).", _GAIN)
def xavier_normal(shape, gain: float = 1.0, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Normal weights of variance ``2 gain^2 / (fan_in + fan_out)``."""
    return _record("xavier_normal", gain=gain).weight(shape, rng, dtype)


@_documented(f"{_GLOROT} 16.", _GAIN)
def xavier_uniform(shape, gain: float = 1.0, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Uniform weights on ``+-gain sqrt(6 / (fan_in + fan_out))``."""
    return _record("xavier_uniform", gain=gain).weight(shape, rng, dtype)


@_documented(_HE_2015, _SLOPE_AND_MODE)
def he_normal(
    shape, negative_slope: float = 0.0, mode: str = "fan_in", rng: Rng = None, dtype=np.float32
) -> np.ndarray:
    """Normal weights of variance ``2 / ((1 + negative_slope^2) fan)``."""
    return _record("he_normal", negative_slope=negative_slope, mode=mode).weight(shape, rng, dtype)


@_documented(_HE_2015, _SLOPE_AND_MODE)
def he_uniform(
    shape, negative_slope: float = 0.0, mode: str = "fan_in", rng: Rng = None, dtype=np.float32
) -> np.ndarray:
    """Uniform weights of variance ``2 / ((1 + negative_slope^2) fan)``."""
    return _record("he_uniform", negative_slope=negative_slope, mode=mode).weight(shape, rng, dtype)


@_documented("LeCun et al. 1998, Efficient BackProp, equation 16.")
def lecun_normal(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Truncated normal weights of variance ``1 / fan_in``, as Keras draws them.

    The normal is cut off at two standard deviations, and its scale divided by 0.8796 so that the variance is right."""
    return _record("lecun_normal").weight(shape, rng, dtype)


@_documented("Keras' ``he_normal``, after He et al. 2015, equation 10.")
def keras_he_normal(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Truncated normal weights of variance ``2 / fan_in``, as Keras draws them."""
    return _record("keras_he_normal").weight(shape, rng, dtype)


@_documented("Keras' ``glorot_normal``, after Glorot and Bengio 2010, equation 12.")
def keras_glorot_normal(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Truncated normal weights of variance ``2 / (fan_in + fan_out)``, as Keras draws them."""
    return _record("keras_glorot_normal").weight(shape, rng, dtype)


@_documented("Keras' ``glorot_uniform``, after Glorot and Bengio 2010, equation 16.")
def keras_dense(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Weights as Keras' ``Dense`` has them by default: :func:`xavier_uniform` with gain 1; its bias is zero."""
    return _record("keras_dense").weight(shape, rng, dtype)


@_documented(f'{_GLOROT} 1, their "standard initialization".')
def torch_linear(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Weights as PyTorch's ``Linear`` has them by default: uniform on ``+-1 / sqrt(fan_in)``, its biases alike.

    The variance is ``1 / (3 fan_in)``."""
    return _record("torch_linear").weight(shape, rng, dtype)


@_documented("Krizhevsky et al. 2012 (AlexNet), section 5: a standard deviation of 0.01.", _STD)
def normal(shape, std: float = 0.01, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Normal weights of a fixed standard deviation, whatever the fans: what Xavier and He replace."""
    return _record("normal", std=std).weight(shape, rng, dtype)


glorot_normal, glorot_uniform = xavier_normal, xavier_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform
