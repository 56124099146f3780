"""``fastgrad speed activations``: our kernels, their peers and this machine's limits, in one run."""

# Design: - A case is one operation at one type and size; its contestants and the limits take turns, so their ratios
#           are of the same minutes.
#         - What is not equal is not timed: a contestant whose result differs from ours gets a row that says so.
#         - No kernel can be faster than copying the bytes that it must move, nor, if it needs one, than an exp per
#           element (ours, in cache). The slower of the two is the limit.
#         - Where arrays lie changes a time by up to a third, so all lie alike: on a cache line, as PyTorch's and JAX's
#           do, or where NumPy puts them, as our users' do.

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fastgrad._validation import float_dtype, known, positive_int
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench import peers
from fastgrad.bench.compare import OURS, Comparison, Layout, Row, compare, each_number
from fastgrad.bench.timing import silent
from fastgrad.kernels import compiled
from fastgrad.kernels.memory import aligned
from fastgrad.report.tables import significant

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

# Who makes the inputs, and the outputs of ours, NumPy's and numexpr's; what is said about it.
PLACEMENTS: dict[str, tuple[Callable, str]] = {
    "aligned": (aligned, "Every array starts on a cache line."),
    "numpy": (np.zeros, "Inputs, and outputs of ours, NumPy and numexpr, lie where NumPy puts them, as with np.empty."),
}
NOTE = (
    "ns: ours, per element. Peers: their time over ours; ! marks where ours is slower. Limit: a copy of as many "
    "bytes, on cache lines, or one exp per element. One thread each. All write into arrays that are there already, but "
    "JAX makes its results; it runs in the thread that calls it, since handing a ReLU to another takes several times "
    "as long as the ReLU. {} All took turns in one process; the least of the samples counts."
)


class ActivationCase(NamedTuple):
    """One operation of one activation on so many elements."""

    activation: str
    operation: str
    dtype: str
    size: int


def activation_cases(
    activations: Iterable[str] = ACTIVATIONS,
    operations: Iterable[str] = peers.OPERATIONS,
    dtypes: Iterable[str] = FULL["dtypes"],
    sizes: Iterable[int] = FULL["sizes"],
) -> list[ActivationCase]:
    """Every combination, small sizes first; ValueError or TypeError for one that does not exist.

    Operations are ``value``, ``backward`` and ``training`` (forward with derivative, then backward).
    """
    activations = [known("activation", name, ACTIVATIONS) for name in dict.fromkeys(activations)]
    operations = [known("operation", name, peers.OPERATIONS) for name in dict.fromkeys(operations)]
    dtypes = [float_dtype(dtype).name for dtype in dict.fromkeys(dtypes)]
    sizes = [positive_int("size", size) for size in dict.fromkeys(sizes)]
    return [
        ActivationCase(name, operation, dtype, size)
        for size, dtype, name, operation in product(sizes, dtypes, activations, operations)
    ]


def time_activation(
    case: ActivationCase,
    contestants: Iterable[str],
    rounds: int,
    tell: Callable[[str], None] = silent,
    placement: str = "aligned",
) -> list[Row]:
    """Time our kernels and every one of these peers that offers the operation.

    Parameters
    ----------
    case : ActivationCase
    contestants : iterable of str
        Peers, of :data:`fastgrad.bench.peers.PEERS`.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.
    placement : str
        Where arrays lie, of ``PLACEMENTS``.

    Returns
    -------
    list of Row
        Ours first. Figures are ``ns_per_element``; ``gb_per_s``; ``limit``, which of the machine's limits is the
        slower, ``"copy"`` (of as many bytes as the operation must move, from and to arrays of this size) or ``"exp"``
        (one per element); ``limit_ns_per_element``; and ``percent_of_limit``, time at the limit over its time.
    """
    zeros, _ = PLACEMENTS[known("placement", placement, PLACEMENTS)]
    x, dy = _inputs(case, zeros)
    makers = {OURS: peers.fastgrad} | {peer: peers.PEERS[peer] for peer in contestants}
    with peers.without_autograd(contestants):
        calls = {name: make(case.activation, case.operation, x, dy, zeros) for name, make in makers.items()}
        return compare(
            case, calls, rounds, vectors=_results, agree=AGREE[case.dtype],
            figures=partial(_figures, case), limits=_limits(case), tell=tell,
        )  # fmt: skip


def _figures(case, contestant, seconds):
    ns = {name: time / case.size * 1e9 for name, time in seconds.items()}
    limits = {"copy": ns["copy"] * TRAFFIC[case.operation] / 2}
    if case.activation in NEED_EXP and case.operation != "backward":
        limits["exp"] = ns["exp"] * case.size / EXP_SIZE
    limit = max(limits, key=limits.__getitem__)
    return {
        "ns_per_element": ns[contestant],
        "gb_per_s": TRAFFIC[case.operation] * np.dtype(case.dtype).itemsize / ns[contestant],
        "limit": limit,
        "limit_ns_per_element": limits[limit],
        "percent_of_limit": 100 * limits[limit] / ns[contestant],
    }


def _inputs(case, zeros):
    """Pre-activations within |z| < 3, where derivatives rebuilt from y are still right, and incoming gradients."""
    rng = np.random.default_rng(case.size)
    x, dy = zeros(case.size, case.dtype), zeros(case.size, case.dtype)
    x[...] = np.clip(rng.normal(0, 1.5, case.size), -3, 3)
    dy[...] = rng.normal(0, 1, case.size)
    return x, dy


def _results(found):
    """Every entry of what a call returned, y or dx or both."""
    return each_number(found if isinstance(found, tuple) else [found])


def _limits(case):
    """Functions whose times are the machine's limits: copying an array of this size, and exp in cache."""
    source, target = aligned(case.size, case.dtype), aligned(case.size, case.dtype)
    source[...] = target[...] = 1
    small = np.linspace(-8, 0, EXP_SIZE).astype(case.dtype)
    out, exp = np.empty_like(small), compiled.UFUNCS["exponential"]
    return {"copy": lambda: np.copyto(target, source), "exp": lambda: exp(small, out=out)}


def _our_cells(row):
    ns, rate, percent = (row.figures[name] for name in ("ns_per_element", "gb_per_s", "percent_of_limit"))
    limit = f"{percent:.0f} {row.figures['limit']}"
    return {"ns": significant(ns), "GB/s": significant(rate), "% of limit": limit}


LAYOUT = Layout(
    title=lambda case: f"{case.operation}, {case.dtype}",
    place=lambda case: {"activation": case.activation, "size": f"{case.size:,}"},
    ours=_our_cells,
    describe=lambda case: f"{case.operation} of {case.activation} ({case.dtype}, {case.size:,})",
    order=lambda case: (ACTIVATIONS.index(case.activation), case.size),
)


def activation_comparison(placement: str = "aligned", quick: bool = False) -> Comparison:
    """``fastgrad speed activations``, with arrays in one of the ``PLACEMENTS``; if quick, without torch.compile."""
    return Comparison(
        peers=peers.PEERS,
        measure=partial(time_activation, placement=placement),
        tables=LAYOUT.tables,
        verdict=LAYOUT.verdict,
        note=NOTE.format(PLACEMENTS[placement][1]),
        only_if_asked=("torch.compile",) if quick else (),
    )


def quick_speed() -> list[dict]:
    """A taste for reports: the value kernels in float32 at 65,536 elements beside NumPy, about a second."""
    shown = []
    for case in activation_cases(operations=["value"], dtypes=["float32"], sizes=[65_536]):
        ours, *others = time_activation(case, ["numpy"], 15)
        shown += [
            {
                "kernel": case.activation,
                "size": case.size,
                "dtype": case.dtype,
                "ns_per_element": ours.figures["ns_per_element"],
                "peer": row.contestant,
                "peer_ns_per_element": row.figures["ns_per_element"],
                "ratio": row.ratio,
            }
            for row in others
            if row.difference is None
        ]
    return shown
