"""``fastgrad speed activations``: our kernels, their peers and this machine's limits, in one run."""

# Design: - A case is one operation at one type and size; its contestants and the limits take turns, so their ratios
#           are of the same minutes.
#         - What is not equal is not timed: a contestant whose result differs from ours gets a row that says so.
#         - No kernel can be faster than copying the bytes that it must move, nor, if it needs one, than an exp per
#           element (ours, in cache). The slower of the two is the limit.

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fastgrad._validation import float_dtype, known, positive_int
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench import peers
from fastgrad.bench.timing import interleaved
from fastgrad.kernels import compiled
from fastgrad.kernels.memory import aligned

FULL: dict[str, Any] = {
    "sizes": (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000),
    "dtypes": ("float32", "float64"),
    "rounds": 30,
}
QUICK: dict[str, Any] = {"sizes": (1_000, 100_000), "dtypes": ("float32",), "rounds": 10}

# Largest relative difference between two libraries' results on the benchmark's inputs: theirs are several ULP
# off, and a derivative rebuilt from y loses 6e-8 / (1 - y^2), which is 6e-6 at |z| = 3.
AGREE = {"float32": 5e-5, "float64": 1e-12}
EXP_SIZE = 16_384  # elements: in cache, and the call costs nothing beside them

# Arrays that an operation has to read or write; a copy moves 2.
TRAFFIC = {"value": 2, "backward": 3, "training": 6}
NEED_EXP = ("sigmoid", "tanh", "elu")


class Case(NamedTuple):
    """What the contestants are to do."""

    activation: str
    operation: str
    dtype: str
    size: int


@dataclass(frozen=True)
class SpeedRow:
    """One contestant in one case.

    Attributes
    ----------
    activation, operation, dtype, size
        The case.
    contestant : str
    difference : float or None
        Largest relative difference from our result, if that is too large: then nothing was timed, and what follows
        is None.
    ns_per_element, gb_per_s : float
    ratio : float
        Its time over ours: above 1, ours is faster.
    limit : str
        ``"copy"`` or ``"exp"``: which of the machine's limits is the slower.
    limit_ns_per_element : float
        Copying as many bytes as the operation must move, from and to arrays of this size; or one exp per element.
    percent_of_limit : float
        Time at the limit over its time, times 100.
    """

    activation: str
    operation: str
    dtype: str
    size: int
    contestant: str
    difference: float | None = None
    ns_per_element: float | None = None
    gb_per_s: float | None = None
    ratio: float | None = None
    limit: str | None = None
    limit_ns_per_element: float | None = None
    percent_of_limit: float | None = None


def cases(
    activations: Iterable[str] = ACTIVATIONS,
    operations: Iterable[str] = peers.OPERATIONS,
    dtypes: Iterable[str] = FULL["dtypes"],
    sizes: Iterable[int] = FULL["sizes"],
) -> list[Case]:
    """Every combination, small sizes first; ValueError or TypeError for one that does not exist."""
    activations = [known("activation", name, ACTIVATIONS) for name in dict.fromkeys(activations)]
    operations = [known("operation", name, peers.OPERATIONS) for name in dict.fromkeys(operations)]
    dtypes = [float_dtype(dtype).name for dtype in dict.fromkeys(dtypes)]
    sizes = [positive_int("size", size) for size in dict.fromkeys(sizes)]
    return [
        Case(name, operation, dtype, size)
        for size, dtype, name, operation in product(sizes, dtypes, activations, operations)
    ]


def measure(case: Case, contestants: Iterable[str], rounds: int) -> list[SpeedRow]:
    """Time one case in our kernels and in every one of these peers that offers the operation.

    Parameters
    ----------
    case : Case
    contestants : iterable of str
        Peers, of :data:`fastgrad.bench.peers.PEERS`.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.

    Returns
    -------
    list of SpeedRow
        Ours first.
    """
    x, dy = _inputs(case)
    calls = {"fastgrad": peers.fastgrad(case.activation, case.operation, x, dy)}
    with peers.without_autograd(contestants):
        calls |= {peer: peers.PEERS[peer](case.activation, case.operation, x, dy) for peer in contestants}
        calls = {contestant: call for contestant, call in calls.items() if call is not None}
        differences = _differences(case.dtype, calls)
        equal = {contestant: call for contestant, call in calls.items() if differences[contestant] <= AGREE[case.dtype]}
        seconds = interleaved({**equal, **_limits(case)}, rounds)
    ns = {contestant: time / case.size * 1e9 for contestant, time in seconds.items()}
    return [
        SpeedRow(*case, contestant, **_timed(case, ns, contestant))
        if contestant in equal
        else SpeedRow(*case, contestant, difference=differences[contestant])
        for contestant in calls
    ]


def _timed(case, ns, contestant):
    """What follows from the nanoseconds per element."""
    limits = {"copy": ns["copy"] * TRAFFIC[case.operation] / 2}
    if case.activation in NEED_EXP and case.operation != "backward":
        limits["exp"] = ns["exp"] * case.size / EXP_SIZE
    limit = max(limits, key=limits.__getitem__)
    return {
        "ns_per_element": ns[contestant],
        "gb_per_s": TRAFFIC[case.operation] * np.dtype(case.dtype).itemsize / ns[contestant],
        "ratio": ns[contestant] / ns["fastgrad"],
        "limit": limit,
        "limit_ns_per_element": limits[limit],
        "percent_of_limit": 100 * limits[limit] / ns[contestant],
    }


def _inputs(case):
    """Pre-activations within |z| < 3, where derivatives rebuilt from y are still right, and incoming gradients."""
    rng = np.random.default_rng(case.size)
    x, dy = aligned(case.size, case.dtype), aligned(case.size, case.dtype)
    x[...] = np.clip(rng.normal(0, 1.5, case.size), -3, 3)
    dy[...] = rng.normal(0, 1, case.size)
    return x, dy


def _differences(dtype, calls):
    """Each contestant's largest difference from ours, relative to ours; NaN or inf if it is not even finite."""
    ours = np.array(_as_array(calls["fastgrad"]()))
    scale = np.maximum(np.abs(ours), np.finfo(dtype).tiny)
    with np.errstate(all="ignore"):
        return {name: float(np.max(np.abs(_as_array(call()) - ours) / scale)) for name, call in calls.items()}


def _as_array(found):
    """What a call returned, y or dx or both, as one array."""
    return np.stack([np.asarray(part) for part in found]) if isinstance(found, tuple) else np.asarray(found)


def _limits(case):
    """Functions whose times are the machine's limits: copying an array of this size, and exp in cache."""
    source, target = aligned(case.size, case.dtype), aligned(case.size, case.dtype)
    source[...] = target[...] = 1
    small = np.linspace(-8, 0, EXP_SIZE).astype(case.dtype)
    out, exp = np.empty_like(small), compiled.UFUNCS["exponential"]
    return {"copy": lambda: np.copyto(target, source), "exp": lambda: exp(small, out=out)}


def speed_activations(
    activations: Iterable[str] = ACTIVATIONS,
    operations: Iterable[str] = peers.OPERATIONS,
    dtypes: Iterable[str] = FULL["dtypes"],
    sizes: Iterable[int] = FULL["sizes"],
    contestants: Iterable[str] | None = None,
    rounds: int = FULL["rounds"],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[SpeedRow]:
    """Time the activations against their peers.

    Parameters
    ----------
    activations, operations, dtypes, sizes : iterables
        What to time; operations are ``value``, ``backward`` and ``training`` (forward with derivative, then
        backward).
    contestants : iterable of str, optional
        Peers; by default all that are installed.
    rounds : int
        Samples of each.
    progress : callable
        Called with the number of finished cases and of all cases.

    Returns
    -------
    list of SpeedRow

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, or a number is not positive.
    ImportError
        If a peer is not installed.
    """
    contestants = peers.installed() if contestants is None else peers.check(contestants)
    todo, rounds, rows = cases(activations, operations, dtypes, sizes), positive_int("rounds", rounds), []
    for done, case in enumerate(todo, 1):
        rows += measure(case, contestants, rounds)
        progress(done, len(todo))
    return rows


def quick_speed() -> list[dict]:
    """A taste for reports: the value kernels in float32 at 65,536 elements beside NumPy, about a second."""
    rows = speed_activations(operations=["value"], dtypes=["float32"], sizes=[65_536], contestants=["numpy"], rounds=15)
    ours = {row.activation: asdict(row) for row in rows if row.contestant == "fastgrad"}
    return [
        {
            "kernel": row.activation,
            "size": row.size,
            "dtype": row.dtype,
            "ns_per_element": ours[row.activation]["ns_per_element"],
            "peer": row.contestant,
            "peer_ns_per_element": row.ns_per_element,
            "ratio": row.ratio,
        }
        for row in rows
        if row.contestant != "fastgrad" and row.difference is None
    ]
