"""The counter-based generator: its published vectors, its distributions, and that nothing but the place matters."""

import math

import numpy as np
import pytest
from scipy import stats

from fastgrad import initializers
from fastgrad.kernels import compiled

LANES = compiled.DRAWN // 4
KEY = np.array([0x243F6A88, 3, 2**32 - 1, 0x12345678], np.uint32)
ROTATIONS = ((10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20))
# threefry4x32 with 13 rounds from the kat_vectors of Random123 (Salmon et al. 2011): counter and key, words.
PUBLISHED = (
    ([0] * 8, "531c7e4f 39491ee5 2c855a92 3d6abf9a"),
    ([2**32 - 1] * 8, "c4189358 1c9cc83a d5881c67 6a0a89e0"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0, 0x082EFA98, 0xEC4E6C89],
        "4aa71d8f 734738c2 431fc6a8 ae6debf1",
    ),
)


def threefry(counter, key):
    """The four words of every counter, shape (4, n): the algorithm as its paper words it, on Python's terms."""
    ks = [*map(np.uint32, key), np.bitwise_xor.reduce([np.uint32(0x1BD11BDA), *map(np.uint32, key)])]
    x = [np.asarray(c, np.uint32) + k for c, k in zip(counter, ks, strict=False)]
    for r in range(13):
        for (i, j), n in zip(((0, 1), (2, 3)) if r % 2 == 0 else ((0, 3), (2, 1)), ROTATIONS[r % 8], strict=True):
            x[i] = x[i] + x[j]
            x[j] = (x[j] << np.uint32(n) | x[j] >> np.uint32(32 - n)) ^ x[i]
        if r % 4 == 3:
            s = r // 4 + 1
            x = [x[i] + ks[(s + i) % 5] + np.uint32(s if i == 3 else 0) for i in range(4)]
    return np.stack(x)


def words(first, count, stream=0):
    """The words of numbers ``first`` to ``first + count``, all whole draws."""
    block = np.arange(first // 4, (first + count) // 4, dtype=np.uint64)
    counter = (block & np.uint64(2**32 - 1), block >> np.uint64(32), np.zeros_like(block), np.full_like(block, stream))
    return threefry(counter, KEY).reshape(4, -1, LANES).transpose(1, 0, 2)  # draw, word, block


def filled(distribution, count, dtype="float64", scale=1.0, first=0, stream=0, cpu=compiled.CPU):
    out = np.empty(count, dtype)
    compiled.fill(out, KEY, stream, distribution, scale, first, cpu)
    return out


@np.errstate(over="ignore")
@pytest.mark.parametrize(("given", "expected"), PUBLISHED)
def test_the_oracle_gives_the_published_words(given, expected):
    got = threefry(given[:4], given[4:])
    assert " ".join(f"{int(word):08x}" for word in got) == expected


@np.errstate(over="ignore")
@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize(("first", "stream"), [(0, 0), (7 * compiled.DRAWN, 5), (2**34 - compiled.DRAWN, 2**32 - 1)])
def test_uniform_numbers_are_the_words(cpu, first, stream):
    count = 3 * compiled.DRAWN
    expected = (words(first, count, stream).astype(np.int32).reshape(-1) + 0.5) * 2.0**-31
    np.testing.assert_array_equal(filled("uniform", count, first=first, stream=stream, cpu=cpu), expected)


@np.errstate(over="ignore")
@pytest.mark.parametrize("cpu", compiled.SETS)
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 6 * 2.0**-23), ("float64", 8 * 2.0**-52)])
def test_normal_numbers_are_those_of_box_and_muller(cpu, dtype, bound):
    count = 400 * compiled.DRAWN
    w = words(0, count)
    r = np.sqrt(-2 * np.log(((w[:, ::2] >> np.uint32(1)) + 0.5) * 2.0**-31))
    v = w[:, 1::2].astype(np.float64) * 2.0**-32
    quarter = np.round(4 * v)  # so that sin and cos lose nothing near their zeros
    s, c = (f((v - quarter / 4) * 2 * math.pi) for f in (np.sin, np.cos))
    turns = np.stack([np.stack(pair) for pair in ((c, s), (-s, c), (-c, -s), (s, -c))])
    x, y = np.take_along_axis(turns, quarter.astype(int)[None, None] % 4, axis=0)[0]
    expected = np.stack([r * x, r * y], axis=2).reshape(-1)  # draw, pair, cos or sin, block
    got = filled("normal", count, dtype, cpu=cpu)
    assert np.max(np.abs(got / expected - 1)) <= bound


@pytest.mark.parametrize("distribution", compiled.DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_depends_on_its_place_alone(distribution, dtype):
    count = 5 * compiled.DRAWN + 77
    whole = filled(distribution, count, dtype)
    for first in range(0, count, compiled.DRAWN):
        part = filled(distribution, min(compiled.DRAWN + 3, count - first), dtype, first=first)
        np.testing.assert_array_equal(part, whole[first : first + part.size])
    for cpu in compiled.SETS:
        np.testing.assert_array_equal(filled(distribution, count, dtype, cpu=cpu), whole)
    assert not np.isin(filled(distribution, count, stream=1), filled(distribution, count)).any()


@pytest.mark.parametrize("name", ["he_normal", "keras_dense", "lecun_normal"])
def test_workers_change_nothing(name):
    shape = (300, 1000)  # more than two threads' shares
    alone = initializers.initializer(name).weight(shape, 3)
    np.testing.assert_array_equal(initializers.initializer(name).weight(shape, 3, workers=3), alone)
    for bad, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="workers must be"):
            initializers.initializer(name).weight(shape, 3, workers=bad)


LAWS = {
    "uniform": stats.uniform(-1, 2),
    "normal": stats.norm(),
    "truncated": stats.truncnorm(-2, 2),
}


@pytest.mark.parametrize("distribution", compiled.DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distribution(distribution, dtype):
    """Four moments, each within five of its standard errors, and Kolmogorov and Smirnov's test."""
    law, n = LAWS[distribution], 2**21
    x = filled(distribution, n, dtype).astype(np.float64)
    moments = [law.moment(k) for k in range(9)]
    for k in range(1, 5):
        error = math.sqrt((moments[2 * k] - moments[k] ** 2) / n)
        assert abs(np.mean(x**k) - moments[k]) <= 5 * error, f"moment {k}"
    assert stats.kstest(x, law.cdf).pvalue >= 1e-3
    neighbours = np.corrcoef(x[:-LANES], x[LANES:])[0, 1]  # the two normals of a pair stand this far apart
    assert abs(neighbours) <= 5 / math.sqrt(n)


def test_tails_beyond_five_sigma():
    n = 2**25
    x = np.abs(filled("normal", n, "float32"))
    for sigma in (3, 4, 5):
        expected = n * 2 * stats.norm.sf(sigma)  # 19.2 beyond 5
        assert stats.poisson.sf(np.count_nonzero(x > sigma), expected) >= 1e-4
        assert stats.poisson.cdf(np.count_nonzero(x > sigma), expected) >= 1e-4
    assert x.max() <= math.sqrt(2 * 32 * math.log(2))
