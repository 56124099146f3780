"""Random numbers that are a function of their seed, stream and place alone, and what may be a seed."""

# Design: - Every number is a function of (seed, stream, index) alone: kernels/compiled.fill, a counter-based generator.
#           Layer l of a network has streams of its own, so widening one layer or adding another behind it leaves
#           every other layer's weights as they were, and a fill may be split among threads.
#         - float32 and float64 draw the same numbers, but for their rounding (6 ULP).

import functools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fastgrad._validation import float_dtype, positive_int, shown
from fastgrad.kernels import compiled

# Standard deviation of a standard normal cut off at +-2: Keras divides by it, so that its variance is right.
TRUNCATED_STD = 0.87962566103423978

Seed = int | np.random.SeedSequence
Rng = Seed | np.random.Generator | None

# What one thread fills of an array that several share: whole draws of the generator.
_SHARE = 256 * compiled.DRAWN
# What a distribution's numbers are multiplied by to have standard deviation 1.
UNIT = {"normal": 1.0, "uniform": math.sqrt(3.0), "truncated": 1.0 / TRUNCATED_STD}


def draw(
    what: str, distribution: str, std: float, shape, rng: Rng, dtype, stream: int = 0, workers: int = 1
) -> np.ndarray:
    """Numbers of this distribution and standard deviation; ValueError if they may leave the dtype's range."""
    dtype = float_dtype(dtype)
    unit_scale = scale(what, distribution, std, dtype)
    if not isinstance(stream, int | np.integer) or not 0 <= stream < 2**32:
        raise ValueError(f"stream must be an integer from 0 to 2**32 - 1, got {shown(stream)}")
    return drawn(shape, distribution, unit_scale, key(rng), stream, dtype, positive_int("workers", workers))


def drawn(shape, distribution: str, scale: float, key, stream: int, dtype: np.dtype, workers: int = 1) -> np.ndarray:
    """``scale`` times the numbers of this key and stream, nothing checked; zeros if it is 0."""
    if not scale:
        return np.zeros(shape, dtype)
    values = np.empty(shape, dtype)
    flat = values.reshape(-1)

    def fill(first):
        compiled.fill(flat[first : first + _SHARE], key, stream, distribution, scale, first)

    if workers == 1 or flat.size <= _SHARE:
        compiled.fill(flat, key, stream, distribution, scale)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fill, range(0, flat.size, _SHARE)))
    return values


@functools.cache
def largest_std(dtype: np.dtype) -> float:
    """Of what is drawn in this dtype: beyond 16 deviations a normal has a mass of 1e-57."""
    return float(np.finfo(dtype).max) / 16


def scale(what: str, distribution: str, std: float, dtype: np.dtype) -> float:
    """What ``compiled.fill`` multiplies a distribution's numbers by; ValueError if they may leave the dtype's range."""
    if std > largest_std(dtype):
        raise ValueError(f"{what} have a standard deviation of {std:.3g}, which is too large for {dtype}")
    return std * UNIT[distribution]


def key(rng: Rng) -> np.ndarray:
    """The generator's key, four uint32 numbers: of a seed, of fresh entropy for None; a key is returned as it is."""
    if rng is None:
        return np.random.SeedSequence().generate_state(4)
    if isinstance(rng, np.ndarray) and rng.dtype == np.uint32 and rng.shape == (4,):
        return rng
    if isinstance(rng, np.random.Generator):
        return rng.integers(2**32, size=4, dtype=np.uint32)
    if type(rng) is int:
        return _key_of_integer(rng)
    return _seed_sequence(rng, "an integer, a numpy.random.SeedSequence, a Generator or None").generate_state(4)


@functools.lru_cache(maxsize=4096)  # a sweep draws the same seeds again and again
def _key_of_integer(seed):
    found = _seed_sequence(seed).generate_state(4)
    found.setflags(write=False)
    return found


def check_seed(seed: Seed) -> Seed:
    """``seed`` itself; TypeError unless it is an integer or a SeedSequence, ValueError if it is negative."""
    if type(seed) is int:
        _key_of_integer(seed)
    else:
        _seed_sequence(seed)
    return seed


def check_distinct(seeds: Sequence[Seed]) -> None:
    """ValueError if two of the seeds give the same stream: one network would count as two."""
    streams = set()
    for count, seed in enumerate(seeds, start=1):
        streams.add(key(check_seed(seed)).tobytes())
        if len(streams) < count:
            raise ValueError(f"seeds must differ, but {shown(seed)} is there twice")


def _seed_sequence(seed, allowed="an integer or a numpy.random.SeedSequence"):
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        raise TypeError(f"a seed must be {allowed}, got {shown(seed)}")
    if seed < 0:
        raise ValueError(f"a seed must be at least 0, got {seed}")
    return np.random.SeedSequence(int(seed))
