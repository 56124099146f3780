"""Inputs that all benchmarks share. They are only ever added to: a changed input would look like a changed speed."""

# Design: - A setup() hook makes asv call a time_ benchmark once per sample, and a microsecond kernel then drowns in the
#           clock; so inputs are made when they are first asked for, and kept.
#         - Benchmarks are run against old commits too: what a commit lacks is skipped (`needs`), not failed, or asv
#           would print no comparison at all. asv's own skip_benchmark_if makes such a benchmark fail: it is then
#           not found on the old commit.

from functools import cache, wraps

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

import fastgrad

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
DTYPES = ("float32", "float64")
SIZES = (100, 65_536)
INITS = ("xavier_normal", "he_normal", "torch_linear")
NETWORKS = ((10, 32, 32), (50, 64, 32), (20, 256, 128))  # depth, width, batch


def needs(*names):
    """Skip a benchmark where this commit's package has not all of these public names."""

    def decorate(function):
        missing = [name for name in names if not hasattr(fastgrad, name)]
        if not missing:
            return function

        @wraps(function)
        def skip(*_):
            raise SkipNotImplemented(f"this commit has no {', '.join(missing)}")

        return skip

    return decorate


@cache
def vector(size, dtype):
    """Pre-activations of ordinary size."""
    return np.random.default_rng(0).normal(0.0, 3.0, size).astype(dtype)


@cache
def batch(rows, features):
    """(X, y): normal rows and labels of ten classes."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, features)).astype(np.float32), rng.integers(0, 10, rows)


@cache
def network(depth, width, activation="tanh", init="xavier_normal"):
    """A network on ``width`` features with its weights drawn."""
    net = fastgrad.MLP([width, *[width] * depth, 10], activation, init, seed=0)
    _ = net.weights, net.biases
    return net
