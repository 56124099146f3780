"""``fastgrad speed calls``: what one call costs on few numbers, in ours, NumPy and PyTorch."""

# Design: - Ours are the public functions, as a user calls them. A table has calls that make their results, the other
#           those that write into arrays that are there already (``out=``).
#         - Nobody else offers value and derivative in one pass: it stands beside the value as a contestant of ours.
#         - PyTorch is called in its inference mode, which is entered before: no call records anything for a gradient.
#         - Arrays lie where NumPy puts them: a call is what is timed.

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

import numpy as np

import fastgrad
from fastgrad._validation import each_known, positive_int
from fastgrad.bench.compare import OURS, Comparison, Layout, Row, compare, each_number
from fastgrad.bench.peers import without_autograd
from fastgrad.bench.timing import silent
from fastgrad.report.tables import significant

ACTIVATIONS = ("tanh", "relu")
OPERATIONS = ("new arrays", "out=")
SIZES = (1, 10, 100, 1_000, 4_096)
BOTH = "with derivative"  # a contestant of ours: value_and_derivative
AGREE = 5e-5  # relative difference of a number from ours, float32
NOTE = (
    "ns: ours, per call on so many float32. With derivative: our value_and_derivative. Columns beside ns: their time "
    "over ours; ! marks where ours is slower. NumPy has tanh and maximum(x, zeros), PyTorch tanh and relu, with out= "
    "clamp_min, in inference mode. One thread each; arrays lie where NumPy puts them. All took turns; the least sample "
    "counts."
)


class CallCase(NamedTuple):
    """One call: with or without ``out=``, of an activation on so many numbers."""

    operation: str
    activation: str
    size: int


def call_cases(
    activations: Iterable[str] = ACTIVATIONS, operations: Iterable[str] = OPERATIONS, sizes: Iterable[int] = SIZES
) -> list[CallCase]:
    """Every combination.

    Parameters
    ----------
    activations : iterable of str
        Names, of this module's ``ACTIVATIONS``.
    operations : iterable of str
        ``"new arrays"`` and ``"out="``.
    sizes : iterable of int
        Elements.

    Returns
    -------
    list of CallCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If there is no such operation or activation, or a number is below 1.
    TypeError
        If a number is not whole.
    """
    operations = each_known("operation", operations, OPERATIONS)
    activations = each_known("activation", activations, ACTIVATIONS)
    sizes = [positive_int("size", size) for size in dict.fromkeys(sizes)]
    return [CallCase(*case) for case in product(operations, activations, sizes)]


# A contestant is a function (activation, x, whether it writes into arrays that are there) -> call, which gives y.


def ours(name, x, there):
    """Our function of that name."""
    function, y = getattr(fastgrad, name), np.empty_like(x)
    return (lambda: function(x, out=y)) if there else (lambda: function(x))


def with_derivative(name, x, there):
    """Our ``value_and_derivative``."""
    function, out = fastgrad.value_and_derivative, (np.empty_like(x), np.empty_like(x))
    return (lambda: function(name, x, out=out)[0]) if there else (lambda: function(name, x)[0])


def numpy(name, x, there):
    """NumPy's ufunc; of two arrays of one shape, the fastest form of maximum."""
    y, zero = np.empty_like(x), np.zeros_like(x)
    calls = {
        "tanh": (lambda: np.tanh(x), lambda: np.tanh(x, out=y)),
        "relu": (lambda: np.maximum(x, zero), lambda: np.maximum(x, zero, out=y)),
    }
    return calls[name][there]


def torch(name, x, there):
    """PyTorch's function."""
    import torch as th

    th.set_num_threads(1)
    x = th.from_numpy(x)
    y = th.empty_like(x)
    calls = {
        "tanh": (lambda: th.tanh(x), lambda: th.tanh(x, out=y)),
        "relu": (lambda: th.relu(x), lambda: th.clamp_min(x, 0, out=y)),
    }
    return calls[name][there]


PEERS = {"numpy": numpy, "torch": torch}


def time_call(
    case: CallCase, contestants: Iterable[str], rounds: int, tell: Callable[[str], None] = silent
) -> list[Row]:
    """Time one call in ours, alone and with the derivative, and in every one of these peers.

    Parameters
    ----------
    case : CallCase
        What is timed.
    contestants : iterable of str
        Peers, of this module's ``PEERS``.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.

    Returns
    -------
    list of Row
        Ours first.
    """
    x = np.linspace(-3, 3, case.size, dtype=np.float32)
    makers = {OURS: ours, BOTH: with_derivative} | {name: PEERS[name] for name in contestants}
    with without_autograd(contestants):
        calls = {name: make(case.activation, x, case.operation == "out=") for name, make in makers.items()}
        return compare(case, calls, rounds, vectors=lambda y: each_number([y]), agree=AGREE, tell=tell)


def _our_cells(row):
    return {"ns": significant(row.seconds * 1e9)}


LAYOUT = Layout(
    title=lambda case: f"calls, {case.operation}",
    place=lambda case: {"activation": case.activation, "size": f"{case.size:,}"},
    ours=_our_cells,
    describe=lambda case: f"{case.activation} of {case.size:,} ({case.operation})",
)


def _verdict(rows):
    """Ours and the others; the derivative, which is more work, is no other."""
    return LAYOUT.verdict([row for row in rows if row.contestant != BOTH or row.difference is not None])


CALLS = Comparison(PEERS, time_call, LAYOUT.tables, _verdict, NOTE)
