"""``fastgrad speed activations``: our kernels, their peers and this machine's limits, in one run."""

# Design: - A case is one operation at one type and size; its contestants take turns, so their ratios are of the same
#           minutes.
#         - What is not equal is not timed: a contestant whose result differs from ours gets a row that says so.
#         - A time stands beside the longer of two limits (limits.py): the formula's arithmetic at the peak, and a copy
#           of as many bytes in the cache that holds the arrays.
#         - Where arrays lie changes a time by up to a third, so all lie alike: on a cache line, as PyTorch's and JAX's
#           do, or where NumPy puts them, as our users' do.

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fastgrad._validation import each_known, float_dtype, known, positive_int
from fastgrad.activations import ACTIVATIONS
from fastgrad.bench import arithmetic, limits, peers
from fastgrad.bench.compare import OURS, Comparison, Layout, Row, compare, each_number, percent_of_limit
from fastgrad.bench.timing import silent
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

# Arrays that an operation has to read or write, and how many there are: of training's, d is written and then read.
TRAFFIC = {"value": 2, "backward": 3, "training": 6}
ARRAYS = {"value": 2, "backward": 3, "training": 5}

# Who makes the inputs, and the outputs of ours, NumPy's and numexpr's; what is said about it.
PLACEMENTS: dict[str, tuple[Callable, str]] = {
    "aligned": (aligned, "Every array starts on a cache line."),
    "numpy": (np.zeros, "Inputs, and outputs of ours, NumPy and numexpr, lie where NumPy puts them, as with np.empty."),
}
NOTE = (
    "ns: ours, per element. Peers: their time over ours; ! marks where ours is slower. One thread each. All write into "
    "arrays that are there already, but JAX makes its results; it runs in the thread that calls it, since handing a "
    "ReLU to another takes several times as long as the ReLU. {} All took turns in one process; the least of the "
    "samples counts."
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
    """Every combination, small sizes first.

    Parameters
    ----------
    activations : iterable of str
        Names, of ``ACTIVATIONS``.
    operations : iterable of str
        ``"value"``, ``"backward"`` and ``"training"``: forward with the derivative, then backward.
    dtypes : iterable of str
        ``"float32"`` and ``"float64"``.
    sizes : iterable of int
        Elements.

    Returns
    -------
    list of ActivationCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If there is no such activation or operation, or a size is below 1.
    TypeError
        If a dtype is another, or a size is not whole.
    """
    activations = each_known("activation", activations, ACTIVATIONS)
    operations = each_known("operation", operations, peers.OPERATIONS)
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
    bounded: bool = True,
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
    bounded : bool
        Whether the machine's limits are wanted, which take a second to measure, once in a process.

    Returns
    -------
    list of Row
        Ours first. Figures are ``ns_per_element`` and ``gb_per_s``; if ``bounded`` also ``limit``, which of the
        machine's limits binds, and ``percent_of_limit``, see :meth:`fastgrad.bench.limits.Limits.figures`, and
        ``limit_ns_per_element``.
    """
    zeros, _ = PLACEMENTS[known("placement", placement, PLACEMENTS)]
    x, dy = _inputs(case, zeros)
    makers = {OURS: peers.fastgrad} | {peer: peers.PEERS[peer] for peer in contestants}
    with peers.without_autograd(contestants):
        calls = {name: make(case.activation, case.operation, x, dy, zeros) for name, make in makers.items()}
        return compare(
            case, calls, rounds, vectors=_results, agree=AGREE[case.dtype],
            figures=partial(_figures, case, bounded), tell=tell,
        )  # fmt: skip


def _figures(case, bounded, contestant, seconds):
    time = seconds[contestant]
    moved, held = (table[case.operation] * np.dtype(case.dtype).itemsize * case.size for table in (TRAFFIC, ARRAYS))
    found = {"ns_per_element": time / case.size * 1e9, "gb_per_s": moved / time / 1e9}
    if not bounded:
        return found
    bound = limits.limits().figures(time, operations_of(case) * case.size, moved, held, case.dtype)
    return found | {
        "limit": bound["limit"],
        "limit_ns_per_element": bound["limit_seconds"] / case.size * 1e9,
        "percent_of_limit": bound["percent_of_limit"],
    }


def operations_of(case: ActivationCase) -> int:
    """Floating-point operations per element that our formulas take; backward is one product.

    Parameters
    ----------
    case : ActivationCase
        An operation of an activation.

    Returns
    -------
    int
        As :func:`fastgrad.bench.arithmetic.operations` counts them.
    """
    kind = {"value": "value", "training": "value_and_derivative"}.get(case.operation)
    formulas = arithmetic.operations(kind, case.activation, case.dtype) if kind else 0
    return formulas + (case.operation != "value")


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


def _our_cells(row):
    ns, rate = (significant(row.figures[name]) for name in ("ns_per_element", "gb_per_s"))
    return {"ns": ns, "GB/s": rate, "% of limit": percent_of_limit(row)}


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
        bounded=True,
        only_if_asked=("torch.compile",) if quick else (),
    )


def quick_speed() -> list[dict]:
    """A taste for reports: the value kernels in float32 at 65,536 elements beside NumPy, about a second."""
    shown = []
    for case in activation_cases(operations=["value"], dtypes=["float32"], sizes=[65_536]):
        ours, *others = time_activation(case, ["numpy"], 15, bounded=False)
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
