"""Initial weights and biases: Xavier and He, the presets people have without knowing, and the naive normal.

A rule is a variance, a distribution and a bias. ``initializer(name)`` gives it as a record; the functions
draw one weight matrix, shape ``(fan_in, fan_out)``.
"""

# Design: - Every number is a function of (seed, stream, index) alone: kernels/compiled.fill, a counter-based generator.
#           Layer l of a network has streams of its own, so widening one layer or adding another behind it leaves
#           every other layer's weights as they were, and a fill may be split among threads.
#         - float32 and float64 draw the same numbers, but for their rounding (6 ULP).
#         - There is one variance per rule, read by the draw, by the theory and by the tests.

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fastgrad._validation import float_dtype, positive_int, real_number, unknown
from fastgrad.kernels import compiled

# Standard deviation of a standard normal cut off at +-2: Keras divides by it, so that its variance is right.
TRUNCATED_STD = 0.87962566103423978
MODES = ("fan_in", "fan_out", "fan_avg")

# Variances are squares, and within these every one of them is an ordinary float64.
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-500, 2.0**500

Seed = int | np.random.SeedSequence
Rng = Seed | np.random.Generator | None


# What one thread fills of a weight matrix that several share: whole draws of the generator.
_SHARE = 256 * compiled.DRAWN
# What a distribution's numbers are multiplied by to have standard deviation 1.
_UNIT = {"normal": 1.0, "uniform": math.sqrt(3.0), "truncated": 1.0 / TRUNCATED_STD}


def _fan(mode, fan_in, fan_out):
    return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]


def _xavier(fan_in, fan_out, gain):
    return 2.0 * gain**2 / (fan_in + fan_out)


def _he(fan_in, fan_out, negative_slope, mode):
    return 2.0 / ((1.0 + negative_slope**2) * _fan(mode, fan_in, fan_out))


def _per_fan_in(scale):
    return lambda fan_in, fan_out: scale / fan_in


class _Rule(NamedTuple):
    """Var W of (fan_in, fan_out, **options), how to draw it, the options' defaults, and Var b."""

    variance: Callable[..., float]
    distribution: str
    defaults: Mapping = {}
    bias_variance: Callable[[int], float] = lambda fan_in: 0.0


_HE_DEFAULTS = {"negative_slope": 0.0, "mode": "fan_in"}
_RULES = {
    "xavier_normal": _Rule(_xavier, "normal", {"gain": 1.0}),
    "xavier_uniform": _Rule(_xavier, "uniform", {"gain": 1.0}),
    "he_normal": _Rule(_he, "normal", _HE_DEFAULTS),
    "he_uniform": _Rule(_he, "uniform", _HE_DEFAULTS),
    "lecun_normal": _Rule(_per_fan_in(1.0), "truncated"),
    "keras_he_normal": _Rule(_per_fan_in(2.0), "truncated"),
    "keras_glorot_normal": _Rule(lambda fan_in, fan_out: _xavier(fan_in, fan_out, 1.0), "truncated"),
    "keras_dense": _Rule(lambda fan_in, fan_out: _xavier(fan_in, fan_out, 1.0), "uniform"),
    "torch_linear": _Rule(_per_fan_in(1 / 3), "uniform", bias_variance=lambda fan_in: 1 / (3 * fan_in)),
    "normal": _Rule(lambda fan_in, fan_out, std: std**2, "normal", {"std": 0.01}),
}
_ALIASES = {
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
}
INITIALIZERS = tuple(_RULES)
# What surveys compare unless they are told otherwise, and what diagrams point at.
SURVEYED = ("xavier_normal", "he_normal", "torch_linear")


@dataclass(frozen=True)
class Initializer:
    """A rule for initial weights and biases, with its options, which cannot be changed; see :func:`initializer`."""

    name: str
    options: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self):
        name = _ALIASES.get(self.name, self.name) if isinstance(self.name, str) else None
        if name not in _RULES:
            raise unknown("initializer", self.name, (*INITIALIZERS, *_ALIASES))
        options = {**_RULES[name].defaults}
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

    @property
    def label(self) -> str:
        """Name and the options that are not at their default, ``xavier_normal(gain=2)``; always the std."""
        shown = [
            f"{key}={value if key == 'mode' else format(value, 'g')}"
            for key, value in self.options.items()
            if key == "std" or value != _RULES[self.name].defaults[key]
        ]
        return f"{self.name}({', '.join(shown)})" if shown else self.name

    def __str__(self) -> str:
        return self.label

    def weight_variance(self, fan_in: int, fan_out: int) -> float:
        """Var W of one weight of a ``(fan_in, fan_out)`` layer."""
        return _RULES[self.name].variance(fan_in, fan_out, **self.options)

    def bias_variance(self, fan_in: int, fan_out: int) -> float:
        """Var b of one bias: 0 but for ``torch_linear``."""
        return _RULES[self.name].bias_variance(fan_in)

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
        return draw(f"weights of {self}", _RULES[self.name].distribution, std, shape, rng, dtype, stream, workers)

    def bias(self, shape: tuple[int, int], rng: Rng = None, dtype=np.float32, *, stream: int = 0) -> np.ndarray:
        """The bias of a ``(fan_in, fan_out)`` layer, shape ``(fan_out,)``: zeros but for ``torch_linear``."""
        (fan_in, fan_out), dtype = _check_shape(shape), float_dtype(dtype)
        std = math.sqrt(self.bias_variance(fan_in, fan_out))
        if std == 0.0:
            return np.zeros(fan_out, dtype)
        return draw(f"biases of {self}", _RULES[self.name].distribution, std, fan_out, rng, dtype, stream)


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


def draw(
    what: str, distribution: str, std: float, shape, rng: Rng, dtype, stream: int = 0, workers: int = 1
) -> np.ndarray:
    """Numbers of this distribution and standard deviation; ValueError if they may leave the dtype's range."""
    dtype = float_dtype(dtype)
    if 16 * std > float(np.finfo(dtype).max):  # beyond 16 deviations a normal has a mass of 1e-57
        raise ValueError(f"{what} have a standard deviation of {std:.3g}, which is too large for {dtype}")
    if not isinstance(stream, int | np.integer) or not 0 <= stream < 2**32:
        raise ValueError(f"stream must be an integer from 0 to 2**32 - 1, got {stream!r}")
    numbers, values = key(rng), np.empty(shape, dtype)
    flat, scale = values.reshape(-1), std * _UNIT[distribution]

    def fill(first):
        compiled.fill(flat[first : first + _SHARE], numbers, stream, distribution, scale, first)

    if positive_int("workers", workers) == 1 or flat.size <= _SHARE:
        compiled.fill(flat, numbers, stream, distribution, scale)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fill, range(0, flat.size, _SHARE)))
    return values


def key(rng: Rng) -> np.ndarray:
    """The four numbers, uint32, that ``rng`` gives, None those of fresh entropy; what is such an array is returned."""
    if rng is None:
        return np.random.SeedSequence().generate_state(4)
    if isinstance(rng, np.ndarray) and rng.dtype == np.uint32 and rng.shape == (4,):
        return rng
    if isinstance(rng, np.random.Generator):
        return rng.integers(2**32, size=4, dtype=np.uint32)
    return _seed_sequence(rng, "an integer, a numpy.random.SeedSequence, a Generator or None").generate_state(4)


def check_seed(seed: Seed) -> Seed:
    """``seed`` itself; TypeError unless it is an integer or a SeedSequence, ValueError if it is negative."""
    _seed_sequence(seed)
    return seed


def check_distinct(seeds: Sequence[Seed]) -> None:
    """ValueError if two of the seeds give the same stream: the second adds nothing but false certainty."""
    streams = set()
    for count, seed in enumerate(seeds, start=1):
        streams.add(key(check_seed(seed)).tobytes())
        if len(streams) < count:
            raise ValueError(f"seeds must differ, but {' '.join(repr(seed).split())} is there twice")


def _seed_sequence(seed, allowed="an integer or a numpy.random.SeedSequence"):
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        raise TypeError(f"a seed must be {allowed}, got {seed!r}")
    if seed < 0:
        raise ValueError(f"a seed must be at least 0, got {seed}")
    return np.random.SeedSequence(int(seed))


def _check_shape(shape):
    try:
        fan_in, fan_out = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape must be (fan_in, fan_out), got {shape!r}") from None
    return positive_int("fan_in", fan_in), positive_int("fan_out", fan_out)


def _check_option(key, value):
    if key == "mode":
        if value not in MODES:
            raise unknown("fan mode", value, MODES)
        return value
    number = real_number(key, value, **({"above": 0.0} if key == "gain" else {"minimum": 0.0}))
    if number > LARGEST_SCALE:
        raise ValueError(f"{key} must be at most 2**500, got {value!r}")
    if key in ("gain", "std") and 0 < number < SMALLEST_SCALE:
        raise ValueError(f"{key} must be at least 2**-500{' or 0' if key == 'std' else ''}, got {value!r}")
    return number


def xavier_normal(shape, gain: float = 1.0, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Normal weights of variance ``2 gain^2 / (fan_in + fan_out)``.

    Parameters
    ----------
    shape : (fan_in, fan_out)
    gain : float
        Factor on the standard deviation, 2^-500 to 2^500; ``activation(name).gain`` is one that keeps delta's scale.
    rng : int, SeedSequence or Generator, optional
        Without one the weights are drawn from fresh entropy, other ones at every call.
    dtype : float32 or float64

    Returns
    -------
    ndarray, shape (fan_in, fan_out)

    Raises
    ------
    ValueError
        If the shape is not two positive numbers, or the gain is out of range or too large for the dtype.
    TypeError
        If the dtype, the seed or a fan has the wrong type.

    References
    ----------
    Glorot and Bengio 2010, equation 12 (the variance; equation 16 is its uniform form).
    """
    return Initializer("xavier_normal", {"gain": gain}).weight(shape, rng, dtype)


def xavier_uniform(shape, gain: float = 1.0, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Uniform weights on ``+-gain sqrt(6 / (fan_in + fan_out))``: Glorot and Bengio 2010, equation 16.

    Parameters, result and errors are those of :func:`xavier_normal`.
    """
    return Initializer("xavier_uniform", {"gain": gain}).weight(shape, rng, dtype)


def he_normal(
    shape, negative_slope: float = 0.0, mode: str = "fan_in", rng: Rng = None, dtype=np.float32
) -> np.ndarray:
    """Normal weights of variance ``2 / ((1 + negative_slope^2) fan)``.

    Parameters
    ----------
    shape : (fan_in, fan_out)
    negative_slope : float
        Of the Leaky ReLU that follows, 0 to 2^500; 0 for ReLU.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Which fan: ``fan_in`` keeps the scale of the signal, ``fan_out`` that of delta.
    rng : int, SeedSequence or Generator, optional
        Without one the weights are drawn from fresh entropy, other ones at every call.
    dtype : float32 or float64

    Returns
    -------
    ndarray, shape (fan_in, fan_out)

    Raises
    ------
    ValueError
        If the shape is not two positive numbers, the slope is out of range, or the mode is unknown.
    TypeError
        If the dtype, the seed or a fan has the wrong type.

    References
    ----------
    He et al. 2015, equation 10 (``fan_in``), 14 (``fan_out``) and 15 (Leaky ReLU).
    """
    options: dict[str, float | str] = {"negative_slope": negative_slope, "mode": mode}
    return Initializer("he_normal", options).weight(shape, rng, dtype)


def he_uniform(
    shape, negative_slope: float = 0.0, mode: str = "fan_in", rng: Rng = None, dtype=np.float32
) -> np.ndarray:
    """Uniform weights of variance ``2 / ((1 + negative_slope^2) fan)``; all else as :func:`he_normal`."""
    options: dict[str, float | str] = {"negative_slope": negative_slope, "mode": mode}
    return Initializer("he_uniform", options).weight(shape, rng, dtype)


def lecun_normal(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Truncated normal weights of variance ``1 / fan_in``, as Keras draws them.

    The normal is cut off at two standard deviations, and its scale divided by 0.8796 so that the variance is
    right. LeCun et al. 1998, "Efficient BackProp", equation 16. Errors as in :func:`xavier_normal`.
    """
    return Initializer("lecun_normal").weight(shape, rng, dtype)


def keras_he_normal(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Truncated normal weights of variance ``2 / fan_in``: Keras' ``he_normal``.

    Errors as in :func:`xavier_normal`.
    """
    return Initializer("keras_he_normal").weight(shape, rng, dtype)


def keras_glorot_normal(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Truncated normal weights of variance ``2 / (fan_in + fan_out)``: Keras' ``glorot_normal``.

    Errors as in :func:`xavier_normal`.
    """
    return Initializer("keras_glorot_normal").weight(shape, rng, dtype)


def keras_dense(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """The default of Keras' ``Dense``: :func:`xavier_uniform` with gain 1; its bias is zero."""
    return Initializer("keras_dense").weight(shape, rng, dtype)


def torch_linear(shape, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """The default of PyTorch's ``Linear``: uniform on ``+-1 / sqrt(fan_in)``, weights and biases alike.

    The variance is ``1 / (3 fan_in)``. It is the "standard initialization" of Glorot and Bengio 2010,
    equation 1. Errors as in :func:`xavier_normal`.
    """
    return Initializer("torch_linear").weight(shape, rng, dtype)


def normal(shape, std: float = 0.01, rng: Rng = None, dtype=np.float32) -> np.ndarray:
    """Normal weights of a fixed standard deviation, whatever the fans.

    What Xavier and He replace; 0.01 is the choice of Krizhevsky et al. 2012 (AlexNet), section 5. ``std`` is
    0 or from 2^-500 to 2^500. Errors as in :func:`xavier_normal`.
    """
    return Initializer("normal", {"std": std}).weight(shape, rng, dtype)


glorot_normal = xavier_normal
glorot_uniform = xavier_uniform
kaiming_normal = he_normal
kaiming_uniform = he_uniform
