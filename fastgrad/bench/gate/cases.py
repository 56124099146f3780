"""What the gate measures: cases that are timed and counted, each a function of a size, kernels' errors, and decay."""

# Design: - A case is told its package: the file is loaded by processes that see only the side they measure.
#         - Sizes stay in the L2 cache: memory is shared with neighbours, and noisier than any kernel.
#         - Arrays start at fixed places within a page. Where NumPy happens to put them moves a cheap kernel by more
#           than the margin.
#         - Instructions are counted at n and at half of it: what a case does grows with n.
#         - Value, derivative and both of every activation are counted. The derivative alone is not timed as well: it is
#           what "training" computes beside the value, and a case costs three seconds.
#         - A parameter is an operand of another ufunc than the one that is bound to the default, so errors and decay
#           are judged at others too.

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

VERSION = 2  # counted up when a case changes its meaning: kept pairs of another version are not used
PAGE, LINE = 4096, 64  # bytes
ELEMENTS = 16_384
MARK = "lcong48"  # of the C library; nothing else calls it, and callgrind begins a new count where it is entered
COUNTS = 3  # calls of each size that are counted


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes
    ----------
    n : int
        The size at which it is timed.
    unit : str
        What there are ``n`` of.
    make : callable
        (a side's fastgrad, n) -> the function that is timed, without arguments.
    timed : bool
        Or else its instructions are counted only.
    """

    n: int
    unit: str
    make: Callable[[object, int], Callable[[], object]]
    timed: bool = True


def placed(values, place=0):
    """A copy of an array that starts ``place`` cache lines into a page."""
    room = np.empty(values.nbytes + PAGE + LINE * place, np.uint8)
    start = -room.ctypes.data % PAGE + LINE * place
    copy = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def array(size, dtype, place=0):
    """Pre-activations of ordinary size."""
    return placed(np.random.default_rng(0).normal(0, 2, size).astype(dtype), place)


def batch(rows, features, classes=10):
    """Normal rows, and labels."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, features)).astype(np.float32), rng.integers(0, classes, rows)


def _one(name, dtype):
    def make(fastgrad, n):
        function, x, y = getattr(fastgrad, name), array(n, dtype), array(n, dtype, 5)
        return lambda: function(x, out=y)

    return make


def _training(name, dtype):
    def make(fastgrad, n):
        function, x, out = fastgrad.value_and_derivative, array(n, dtype), (array(n, dtype, 5), array(n, dtype, 11))
        return lambda: function(name, x, out=out)

    return make


def _calls(fastgrad, n):
    function, x, y = fastgrad.tanh, array(100, "float32"), array(100, "float32", 5)

    def calls():
        for _ in range(n):
            function(x, out=y)

    return calls


def _dense_forward(fastgrad, n):
    x, weight, bias, _ = _layer(n)
    out = placed(x, 16), placed(x, 24)
    return lambda: fastgrad.dense_forward(x, weight, bias, "tanh", out=out)


def _dense_backward(fastgrad, n):
    x, weight, bias, dy = _layer(n)
    out = placed(x, 16), placed(weight, 24), placed(bias, 40)
    return lambda: fastgrad.dense_backward(dy, dy, x, weight, out=out)


def _layer(n, width=32):
    x, weight = batch(n, width)[0], batch(width, width)[0] / np.float32(width**0.5)
    return placed(x, 8), placed(weight), np.zeros(width, np.float32), placed(x, 32)


def _gradients(depth, width):
    def make(fastgrad, n):
        net, (X, y) = _network(fastgrad, depth, width), batch(n, width)
        out = net.loss_and_gradients(X, y)[1]
        return lambda: net.loss_and_gradients(X, y, out=out)

    return make


def _profile(depth, width):
    def make(fastgrad, n):
        net, (X, y) = _network(fastgrad, depth, width), batch(n, width)
        return lambda: net.gradient_profile(X, y)

    return make


def _network(fastgrad, depth, width):
    return fastgrad.MLP([width] * (depth + 1) + [10], "tanh", "xavier_normal", seed=0)


def _weights(name):
    def make(fastgrad, n):
        rule = getattr(fastgrad.initializers, name)
        return lambda: rule((n, 256), rng=0)

    return make


ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
CASES = {
    **{f"{name} value float32": Case(ELEMENTS, "element", _one(name, "float32")) for name in ACTIVATIONS},
    **{
        f"{name} derivative float32": Case(ELEMENTS, "element", _one(f"{name}_derivative", "float32"), timed=False)
        for name in ACTIVATIONS
    },
    **{f"{name} training float32": Case(ELEMENTS, "element", _training(name, "float32")) for name in ACTIVATIONS},
    **{
        f"{name} training float64": Case(ELEMENTS // 2, "element", _training(name, "float64"))
        for name in ("sigmoid", "tanh", "elu")
    },
    "tanh of 100": Case(100, "call", _calls),
    "dense forward 32": Case(64, "sample", _dense_forward),
    "dense backward 32": Case(64, "sample", _dense_backward),
    "gradients 10 x 32": Case(32, "sample", _gradients(10, 32)),
    "gradients 20 x 64": Case(32, "sample", _gradients(20, 64)),
    "profile 10 x 32": Case(32, "sample", _profile(10, 32)),
    "he_normal": Case(128, "row of 256", _weights("he_normal")),
    "xavier_uniform": Case(128, "row of 256", _weights("xavier_uniform")),
}

# Activations whose results and decay are judged, by what the tables call them: (name, parameter by its name).
PARAMETERS = {"leaky_relu": ("negative_slope", (0.2, 0.9)), "elu": ("alpha", (0.5, 3.0))}
JUDGED: dict[str, tuple[str, dict[str, float]]] = {name: (name, {}) for name in ACTIVATIONS} | {
    f"{name}({parameter}={value:g})": (name, {parameter: value})
    for name, (parameter, values) in PARAMETERS.items()
    for value in values
}
KERNELS = {
    f"{label} {kind}": (name, parameter, kind)
    for label, (name, parameter) in JUDGED.items()
    for kind in ("value", "derivative")
}
NETWORKS = {
    f"{label} {init}": (name, parameter, init)
    for label, (name, parameter) in JUDGED.items()
    for init in ("xavier_normal", "he_normal")
}
SEEDS, DEPTH, WIDTH = 3, 20, 64
