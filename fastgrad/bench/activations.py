"""``fastgrad speed activations``: our kernels, their peers and this machine's limits, in one run."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np

from fastgrad.activations import ACTIVATIONS
from fastgrad.bench import peers
from fastgrad.bench.timing import interleaved
from fastgrad.kernels import compiled

# Largest relative difference between two libraries' results on the benchmark's inputs: theirs are several ULP
# off, and a derivative rebuilt from y loses 6e-8 / (1 - y^2), which is 6e-6 at |z| = 3.
AGREE = {"float32": 5e-5, "float64": 1e-12}
EXP_ROOF_SIZE = 2048  # elements in L1

# Bytes that an operation has to move per element, in elements read and written.
TRAFFIC = {"value": 2, "backward": 3, "training": 6}


@dataclass(frozen=True)
class SpeedRow:
    """One contestant at one operation and size.

    Attributes
    ----------
    ratio : float
        Its time over ours: above 1, ours is faster.
    percent_of_copy : float
        Time of copying as many bytes as the operation must move, over its time, times 100.
    percent_of_exp : float
        Time of one exp per element (ours, in L1) over its time, times 100.
    """

    activation: str
    operation: str
    dtype: str
    size: int
    contestant: str
    ns_per_element: float
    gb_per_s: float
    ratio: float
    percent_of_copy: float
    percent_of_exp: float


def _inputs(dtype, size):
    """Pre-activations within |z| < 3, where derivatives rebuilt from y are still right."""
    rng = np.random.default_rng(size)
    x = np.clip(rng.normal(0, 1.5, size), -3, 3).astype(dtype)
    return x, rng.normal(0, 1, size).astype(dtype)


def _check_equal(name, operation, dtype, calls):
    """AssertionError if a contestant's result differs from ours: what is not equal is not timed."""
    ours = np.asarray(calls["fastgrad"]())
    for contestant, call in calls.items():
        theirs = np.asarray(call())
        scale = np.maximum(np.abs(ours), np.finfo(dtype).tiny)
        error = np.max(np.abs(theirs - ours) / scale)
        if not error <= AGREE[dtype]:
            raise AssertionError(f"{contestant}'s {operation} of {name} differs from ours by {error:.1e} ({dtype})")


def _limits(dtype, size):
    """Functions whose times are the machine's limits: copying the array, and exp in L1."""
    source, target = np.ones(size, dtype), np.ones(size, dtype)
    small = np.linspace(-8, 0, EXP_ROOF_SIZE).astype(dtype)
    out = np.empty_like(small)
    exp = compiled.UFUNCS["exponential"]
    return {"copy": lambda: np.copyto(target, source), "exp": lambda: exp(small, out=out)}


def measure(name, operation, dtype, size, contestants, rounds) -> list[SpeedRow]:
    """Time one operation in every library that offers it."""
    x, dy = _inputs(dtype, size)
    calls = {"fastgrad": peers.fastgrad(name, operation, x, dy)}
    calls |= {peer: peers.PEERS[peer](name, operation, x, dy) for peer in contestants}
    calls = {contestant: call for contestant, call in calls.items() if call is not None}
    _check_equal(name, operation, dtype, calls)
    seconds = interleaved({**calls, **_limits(dtype, size)}, rounds)
    moved = TRAFFIC[operation] * x.nbytes
    copy = seconds["copy"] * TRAFFIC[operation] / TRAFFIC["value"]
    exp = seconds["exp"] / EXP_ROOF_SIZE * size
    return [
        SpeedRow(
            activation=name,
            operation=operation,
            dtype=dtype,
            size=size,
            contestant=contestant,
            ns_per_element=seconds[contestant] / size * 1e9,
            gb_per_s=moved / seconds[contestant] / 1e9,
            ratio=seconds[contestant] / seconds["fastgrad"],
            percent_of_copy=100 * copy / seconds[contestant],
            percent_of_exp=100 * exp / seconds[contestant],
        )
        for contestant in calls
    ]


def speed_activations(
    activations: Iterable[str] = ACTIVATIONS,
    operations: Iterable[str] = peers.OPERATIONS,
    dtypes: Iterable[str] = ("float32", "float64"),
    sizes: Iterable[int] = (100, 1_000, 10_000, 65_536, 1_000_000, 10_000_000),
    contestants: Iterable[str] | None = None,
    rounds: int = 30,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[SpeedRow]:
    """Time the five activations against every installed peer.

    Parameters
    ----------
    activations, operations, dtypes, sizes : iterables
        What to time; operations are ``value``, ``backward`` and ``training`` (forward, then backward).
    contestants : iterable of str, optional
        Peers; by default all that are installed.
    rounds : int
        Samples per contestant, interleaved; the least one counts.
    progress : callable
        Called with the number of finished cases and of all cases.

    Returns
    -------
    list of SpeedRow
    """
    contestants = peers.installed() if contestants is None else list(contestants)
    cases = [
        (name, operation, dtype, size)
        for size in sizes
        for dtype in dtypes
        for name in activations
        for operation in operations
    ]
    rows = []
    for done, case in enumerate(cases):
        progress(done, len(cases))
        rows += measure(*case, contestants, rounds)
    progress(len(cases), len(cases))
    return rows


def quick_speed() -> list[dict]:
    """A taste for reports: the value kernels in float32 at 65,536 elements beside NumPy and SciPy, about a second."""
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
        if row.contestant != "fastgrad"
    ]
