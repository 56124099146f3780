"""Initial weights in compiled code: the functions of fastgrad.initializers."""

# Design: - ``rng`` is an integer seed, whose weights have the bits of the same call outside; without one the key is
#           drawn from Numba's own generator, which np.random.seed in compiled code seeds.
#         - NumPy promises that a SeedSequence makes the same of a seed for ever, so the key is computed here, without a
#           way back into the interpreter. A seed is one number of 64 bits at most.

import inspect
from functools import cache

import numba
import numpy as np
from numba import types
from numba.core.typing.npydecl import parse_dtype
from numba.extending import overload

from fastgrad import draws, initializers
from fastgrad.in_numba import table
from fastgrad.kernels import compiled

_WORDS = 4  # of a pool and of a key
# Of SeedSequence, as O'Neill 2015, Developing a seed_seq alternative, has them. All words are in uint64.
_WORD, _BITS, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(16)
_POOL, _POOL_FACTOR = np.uint64(0x43B0D7E5), np.uint64(0x931E8875)
_STATE, _STATE_FACTOR = np.uint64(0x8B51F9DD), np.uint64(0x58F38DED)
_LEFT, _RIGHT = np.uint64(0xCA01F9DD), np.uint64(0x4973F715)


@numba.njit
def _hashed(word, constant, factor):
    """A word, hashed, and the next constant."""
    following = constant * factor & _WORD
    word = (word ^ constant) * following & _WORD
    return word ^ word >> _HALF, following


@numba.njit
def _key(seed):
    """``np.random.SeedSequence(seed).generate_state(4)``."""
    if seed < 0:
        raise ValueError("a seed must be at least 0")
    pool, key = np.zeros(_WORDS, np.uint64), np.empty(_WORDS, np.uint32)
    pool[0], pool[1] = np.uint64(seed) & _WORD, np.uint64(seed) >> _BITS
    constant = _POOL
    for i in range(_WORDS):
        pool[i], constant = _hashed(pool[i], constant, _POOL_FACTOR)
    for source in range(_WORDS):
        for target in range(_WORDS):
            if source != target:
                word, constant = _hashed(pool[source], constant, _POOL_FACTOR)
                mixed = _LEFT * pool[target] - _RIGHT * word & _WORD
                pool[target] = mixed ^ mixed >> _HALF
    constant = _STATE
    for i in range(_WORDS):
        key[i], constant = _hashed(pool[i], constant, _STATE_FACTOR)
    return key


@numba.njit
def _fresh_key(seed):
    key = np.empty(_WORDS, np.uint32)
    for i in range(_WORDS):
        key[i] = np.random.randint(0, 2**32)  # noqa: NPY002 - of a Generator nobody has given
    return key


@cache
def _draw(name, real, key_of):
    """A compiled function (shape, variance, seed) -> weights."""
    call, item, largest = table.function("draw"), real.itemsize, draws.largest_std(real)
    distribution = initializers.RULES[name].distribution
    number, unit = compiled.DISTRIBUTIONS.index(distribution), draws.UNIT[distribution]

    @numba.njit
    def draw(shape, variance, seed):
        std = np.sqrt(variance)
        if std > largest:
            raise ValueError("the weights would be too large for the dtype")
        if std == 0.0:
            return np.zeros(shape, real)
        key, weights = key_of(seed), np.empty(shape, real)
        call(number, item, key.ctypes, 0, 0, std * unit, weights.size, weights.ctypes)
        return weights

    return draw


def _ranged(option, lowest):
    """A compiled function that gives an option's value, a float, or ValueError."""
    largest, zero = initializers.LARGEST_SCALE, option == "std"
    message = f"{option} must be {'0 or ' if zero else ''}from {lowest:.3g} to {largest:.3g}"

    @numba.njit
    def ranged(value):
        if not lowest <= value <= largest and not (zero and value == 0):
            raise ValueError(message)
        return np.float64(value)

    return ranged


@numba.njit
def _mode(mode):
    if mode not in initializers.MODES:
        raise ValueError("mode must be 'fan_in', 'fan_out' or 'fan_avg'")
    return mode


@numba.njit
def _fan(length):
    if length < 1:
        raise ValueError("fan_in and fan_out must be at least 1")
    return length


_CHECKS = {option: _ranged(option, least) for option, least in initializers.LEAST.items()} | {"mode": _mode}


def _real(caller, shape, rng, dtype):
    """The weights' type; TypingError if an argument's type is wrong."""
    pair = isinstance(shape, types.UniTuple | types.Tuple) and len(shape) == 2
    if not pair or not all(isinstance(length, types.Integer) for length in shape):
        raise numba.TypingError(f"fastgrad.initializers.{caller} takes a shape (fan_in, fan_out)")
    if not isinstance(rng, types.Integer) and not table.is_none(rng):
        raise numba.TypingError(f"fastgrad.initializers.{caller} in compiled code takes an integer as rng")
    if isinstance(dtype, types.Omitted | type):
        return np.dtype(np.float32)
    real = parse_dtype(dtype)
    if real not in (types.float32, types.float64):
        raise numba.TypingError(f"fastgrad.initializers.{caller} takes float32 or float64 as dtype")
    return np.dtype(str(real))


def _register(name, function):
    """The overload of an initializer and what it returns have one signature, the function's, and are made from text."""
    parameters = inspect.signature(function).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    signature = ", ".join(["shape", *(f"{key}=defaults[{key!r}]" for key in defaults if key != "shape")])
    options = ", ".join(f"checked_{key}({key})" for key in initializers.RULES[name].defaults)
    checks = {f"checked_{key}": check for key, check in _CHECKS.items()}

    def implementation(shape, rng, dtype):
        draw = _draw(name, _real(function.__name__, shape, rng, dtype), _fresh_key if table.is_none(rng) else _key)
        variance = numba.njit(initializers.RULES[name].variance)
        names = {"draw": draw, "variance": variance, "fan": _fan, "defaults": defaults, **checks}
        return eval(f"lambda {signature}: draw(shape, variance(fan(shape[0]), fan(shape[1]), {options}), rng)", names)

    names = {"implementation": implementation, "defaults": defaults}
    overload(function)(eval(f"lambda {signature}: implementation(shape, rng, dtype)", names))


def register() -> None:
    """Register the functions of every initializer."""
    for name in initializers.RULES:
        _register(name, getattr(initializers, name))
