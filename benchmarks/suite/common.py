"""What the benchmarks share: inputs, where they lie in memory, and the names of the activations."""

# Design: - Inputs are made in setup(), so that no sample holds the making of them, nor Numba's compiler: each setup()
#           ends with one call of what it prepares (`asv run --quick` takes one sample, and that is the first call).
#           asv then times single calls, a hundred of them; the clock is a tenth of a microsecond of each, so what lasts
#           less than one is called a hundred times by its benchmark.
#         - Arrays start at fixed places within a page, no two of a benchmark at the same, and results go to arrays that
#           are there: where NumPy happens to put them moves a cheap kernel by 5 %. What is timed stays in the L2 cache.
#         - `gate = True` marks what `fastgrad gate` judges by default, `gate_count = "only"` what it counts and does
#           not time, `gate_tolerance` how far a tracked number may move.
#         - Benchmarks are run against old commits too: what a commit lacks is skipped (`needs`), not failed.

from functools import wraps

import numpy as np
from asv_runner.benchmarks.mark import SkipNotImplemented

import fastgrad

NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
# A parameter is an operand of another ufunc than the one that is bound to the default.
PARAMETERS = {"leaky_relu": ("negative_slope", (0.2, 0.9)), "elu": ("alpha", (0.5, 3.0))}


def label(name, value):
    """An activation with its parameter, as it is called here."""
    return f"{name}({PARAMETERS[name][0]}={value:g})"


ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {name: (name, {}) for name in NAMES} | {
    label(name, value): (name, {parameter: value})
    for name, (parameter, values) in PARAMETERS.items()
    for value in values
}
TIMED = (*NAMES, *(label(name, values[0]) for name, (_, values) in PARAMETERS.items()))
INITS = ("xavier_normal", "he_normal", "torch_linear")

PAGE, LINE = 4096, 64  # bytes
ROOM = 1 << 16  # bytes of a timed array
SAMPLES = (10, 100, 0.5)  # asv's repeat: at least, at most, seconds


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


def placed(values, place=0):
    """A copy of an array that starts ``place`` cache lines into a page."""
    room = np.empty(values.nbytes + PAGE + LINE * place, np.uint8)
    start = -room.ctypes.data % PAGE + LINE * place
    copy = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def vector(dtype, size=None, place=0):
    """Pre-activations of ordinary size, by default as many as fill ``ROOM``."""
    size = ROOM // np.dtype(dtype).itemsize if size is None else size
    return placed(np.random.default_rng(0).normal(0, 2, size).astype(dtype), place)


def batch(rows, features):
    """(X, y): normal rows and labels of ten classes."""
    rng = np.random.default_rng(1)
    return placed(rng.standard_normal((rows, features)).astype(np.float32), 8), rng.integers(0, 10, rows)


def network(depth, width):
    """A tanh network on ``width`` features with its weights drawn."""
    net = fastgrad.MLP([width] * (depth + 1) + [10], "tanh", "xavier_normal", seed=0)
    _ = net.weights, net.biases
    return net
