"""``fastgrad speed placement``: our kernels on arrays that lie where NumPy puts large ones, and in better places."""

# Design: - NumPy gets a large array from the system as whole pages, of which 16 bytes are the allocator's: every array
#           starts 16 bytes into a page. So a vector of 64 bytes straddles two cache lines, and the same element of
#           every array has the same last 12 bits of address, by which a processor guesses whether a load must wait for
#           a store before it.
#         - The two effects are told apart: the first place is on cache lines at one offset in the page, "spread" on
#           cache lines at offsets far from each other. All take turns on copies of the same numbers, and a result that
#           depends on the place is told, not timed.

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from fastgrad._validation import each_known, positive_int
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench.compare import OURS, Comparison, Layout, Row, compare, each_number
from fastgrad.bench.timing import silent
from fastgrad.kernels import compiled
from fastgrad.report.tables import significant

OPERATIONS = ("value", "value and derivative")
SIZES = (4_096, 65_536)
PAGE, LINE = 4096, 64
# Bytes past the start of a page at which x, y and d start; the first is the measure of the others.
PLACES = {OURS: (LINE, LINE, LINE), "spread": (LINE, 23 * LINE, 45 * LINE), "numpy's": (16, 16, 16)}
NOTE = (
    "ns: per element, of our kernels on float32 arrays that start on a cache line, all 64 bytes into a page. The "
    "others: their time over it. Spread: x, y and d start on cache lines, 64, 1,472 and 2,880 bytes into a page; "
    "numpy's: 16 bytes into a page, where np.empty puts large arrays; ! marks a faster place. One thread. All took "
    "turns; the least sample counts."
)


class PlacementCase(NamedTuple):
    """A kernel on so many numbers."""

    operation: str
    activation: str
    size: int


def placement_cases(
    activations: Iterable[str] = ACTIVATIONS, operations: Iterable[str] = OPERATIONS, sizes: Iterable[int] = SIZES
) -> list[PlacementCase]:
    """Every combination.

    Parameters
    ----------
    activations : iterable of str
        Names, of ``ACTIVATIONS``.
    operations : iterable of str
        ``"value"`` and ``"value and derivative"``.
    sizes : iterable of int
        Elements.

    Returns
    -------
    list of PlacementCase
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
    return [PlacementCase(*case) for case in product(operations, activations, sizes)]


def placed(size: int, offset: int) -> np.ndarray:
    """Zeros, float32, that start so many bytes into a page."""
    room = np.zeros(4 * size + 2 * PAGE, np.uint8)
    start = -room.ctypes.data % PAGE + offset
    return room[start : start + 4 * size].view(np.float32)


def time_placement(
    case: PlacementCase, contestants: Iterable[str], rounds: int, tell: Callable[[str], None] = silent
) -> list[Row]:
    """Time a kernel in all ``PLACES``.

    Parameters
    ----------
    case : PlacementCase
        What is timed.
    contestants : iterable of str
        None: the places are the contestants.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.

    Returns
    -------
    list of Row
        That on cache lines at one offset first. The figure is ``ns_per_element``.
    """
    calls = {place: _call(case, *offsets) for place, offsets in PLACES.items()}
    return compare(case, calls, rounds, vectors=each_number, agree=0.0, figures=partial(_figures, case), tell=tell)


def _call(case, *offsets):
    x, y, d = (placed(case.size, offset) for offset in offsets)
    x[...] = np.random.default_rng(case.size).normal(0, 1.5, case.size)
    name, both = case.activation, compiled.value_and_derivative
    value = compiled.UFUNCS["value", name, "default"]
    return (lambda: (value(x, out=y),)) if case.operation == "value" else (lambda: both(name, x, None, (y, d)))


def _figures(case, place, seconds):
    return {"ns_per_element": seconds[place] / case.size * 1e9}


LAYOUT = Layout(
    title=lambda case: f"placement, {case.operation}",
    place=lambda case: {"activation": case.activation, "size": f"{case.size:,}"},
    ours=lambda row: {"ns": significant(row.figures["ns_per_element"])},
    describe=lambda case: f"{case.operation} of {case.activation} ({case.size:,})",
)


def _verdict(rows):
    """A result that depends on the place; no place is anybody's loss."""
    return [line for line in LAYOUT.verdict(rows) if "differs" in line]


PLACEMENT = Comparison({}, time_placement, LAYOUT.tables, _verdict, NOTE)
