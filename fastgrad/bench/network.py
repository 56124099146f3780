"""``fastgrad speed network``: a whole network forward and backward, in ours and in other libraries."""

# Design: - The same weights and data for all; before anything is timed, the loss and every entry of every dL/dW and
#           dL/db are compared with ours, layer by layer.
#         - The data of all, and peers' arrays, start on a cache line. Ours takes its weights where NumPy puts them.
#         - ``gradients`` are what training needs: the loss and every dL/dW and dL/db. ``profile`` is what a measurement
#           needs: the root mean square of delta and of dL/dW of every layer, as its users would get it from autograd.
#         - Everything runs on one thread: a study runs many networks side by side.
#         - torch.compile takes minutes to compile a hundred layers, so it runs only where it is asked for.

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, pairwise, product
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from fastgrad._validation import each_known, positive_int
from fastgrad.bench import arithmetic, limits
from fastgrad.bench.compare import (
    OURS,
    Comparison,
    Layout,
    Row,
    compare,
    contestants_of,
    each_array,
    each_number,
    percent_of_limit,
    table_of,
)
from fastgrad.bench.network_peers import PEERS, fastgrad
from fastgrad.bench.timing import silent
from fastgrad.kernels.memory import aligned_copy
from fastgrad.machine import peak_megabytes
from fastgrad.network import MLP
from fastgrad.report.tables import significant

OPERATIONS = ("gradients", "profile")
# (depth, width, batch)
FULL = ((10, 32, 32), (50, 64, 32), (100, 128, 64), (50, 256, 128), (20, 512, 256), (100, 512, 32))
QUICK = FULL[:2]
CLASSES = 10
AGREE = 1e-4  # norm of a gradient's difference over the norm of ours; 100 layers in float32 add up to 1e-5
NOTE = (
    "us: ours, per pass. Peers: their time over ours; ! marks where ours is slower. GFLOP/s: of the matrix products "
    "and tanh; a profile needs the size of dL/dW only, and for a narrow batch fewer operations. tanh, Xavier weights, "
    "float32, one thread each. NumPy writes into arrays that are there already, JAX runs in the thread that calls it. "
    "The data of all and the peers' arrays start on a cache line, our weights lie where NumPy puts them. The loss and "
    "every gradient agree with ours to 1e-4, or nothing is timed. All took turns; the least sample counts."
)


class NetworkCase(NamedTuple):
    """Hidden layers, units in each, samples, and what is to be found."""

    depth: int
    width: int
    batch: int
    operation: str


def network_cases(
    networks: Iterable[tuple[int, int, int]] = FULL, operations: Iterable[str] = OPERATIONS
) -> list[NetworkCase]:
    """Every network with every operation.

    Parameters
    ----------
    networks : iterable of (int, int, int)
        Hidden layers, units in each, samples.
    operations : iterable of str
        ``"gradients"`` and ``"profile"``.

    Returns
    -------
    list of NetworkCase
        In the order in which they are timed.

    Raises
    ------
    ValueError
        If there is no such operation, or a number is below 1.
    TypeError
        If a number is not whole.
    """
    operations = each_known("operation", operations, OPERATIONS)
    names = ("depth", "width", "batch")
    networks = [tuple(map(positive_int, names, network)) for network in dict.fromkeys(networks)]  # type: ignore[misc]
    return [NetworkCase(*network, operation) for network, operation in product(networks, operations)]


def time_network(
    case: NetworkCase,
    contestants: Iterable[str],
    rounds: int,
    tell: Callable[[str], None] = silent,
    memory: bool = False,
) -> list[Row]:
    """Time one network in ours and in every one of these peers.

    Parameters
    ----------
    case : NetworkCase
        What is timed.
    contestants : iterable of str
        Peers, of ``PEERS``.
    rounds : int
        Samples of each, see :func:`fastgrad.bench.timing.interleaved`.
    tell : callable
        Called with the name of each contestant that begins.
    memory : bool
        Measure the memory of a pass too, in a process of its own.

    Returns
    -------
    list of Row
        Ours first. Figures are ``gflops``, 10^9 floating-point operations per second, ``limit`` and
        ``percent_of_limit``, as of :meth:`fastgrad.bench.limits.Limits.figures`; and with ``memory`` ``megabytes``,
        what the first pass takes beyond weights and data.
    """
    operations, moved, held = work_of(_sizes(case), case.batch, "tanh", case.operation == "gradients")

    def figures(contestant, seconds):
        found = limits.share(seconds[contestant], operations, moved, held)
        found |= {"gflops": operations / seconds[contestant] / 1e9}
        return found | ({"megabytes": pass_megabytes(case, contestant)} if memory else {})

    return compare(
        case,
        {contestant: _call(case, contestant) for contestant in (OURS, *contestants)},
        rounds,
        vectors=partial(_results, case.operation),
        agree=AGREE,
        figures=figures,
        tell=tell,
    )


def work_of(sizes: Sequence[int], batch: int, activation: str, gradients: bool) -> tuple[int, int, int]:
    """The least that a pass takes.

    Operations are those of the matrix products (forward, delta, dL/dW), of phi and phi' and of the product with phi'.
    The size of dL/dW = x' delta needs x x' and delta delta' only, (batch, batch) and symmetric, which is less where the
    batch is narrow. Weights are read twice, dL/dW is written if it is wanted, x and phi'(z) of every layer are written
    and read.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, the inputs first.
    batch : int
        Samples.
    activation : str
        That of the hidden layers.
    gradients : bool
        Whether every dL/dW is wanted, or else its size only.

    Returns
    -------
    operations : int
        Floating-point operations.
    moved : int
        Bytes read and written.
    held : int
        Bytes of all arrays.
    """
    operations = batch * sum(sizes[1:-1]) * (arithmetic.operations("value_and_derivative", activation) + 1)
    for m, n in pairwise(sizes):
        product = 2 * batch * m * n
        operations += 2 * product + (product if gradients else min(product, batch * batch * (m + n)))
    weights, states = sum(m * n for m, n in pairwise(sizes)), 2 * batch * sum(sizes[:-1])
    item = np.dtype(np.float32).itemsize
    return operations, item * ((2 + gradients) * weights + 2 * states), item * ((1 + gradients) * weights + states)


def _sizes(case):
    return [case.width] * (case.depth + 1) + [CLASSES]


def _call(case, contestant):
    """The pass of one contestant, on weights and data that all have alike."""
    net = MLP(_sizes(case), "tanh", "xavier_normal", seed=0)
    _ = net.weights, net.biases  # drawn when first used, and no part of the pass
    rng = np.random.default_rng(0)
    X = aligned_copy(rng.standard_normal((case.batch, case.width)))
    y = rng.integers(0, CLASSES, case.batch)
    return {OURS: fastgrad, **PEERS}[contestant](net, X, y, case.operation)


def pass_megabytes(case: NetworkCase, contestant: str) -> float:
    """By how many MB the first pass of this contestant raises the most memory that a fresh process has held."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_memory_of, case, contestant).result()


def _memory_of(case, contestant):
    _call(case._replace(depth=2, width=8, batch=4), contestant)()  # load and start the library
    call = _call(case, contestant)
    below = max(int(peak_megabytes() * 1e6) - _resident(), 0)
    room = np.ones(below + 2**20, np.uint8)  # what is free below the high-water mark
    before = peak_megabytes()
    call()
    del room
    return max(peak_megabytes() - before, 0)


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _results(operation, found):
    """The loss and every gradient as one vector each; of a profile, the size of every layer."""
    if operation == "profile":
        return each_number([10.0 ** np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in found])])
    loss, gradients = found
    return each_array([loss, *chain.from_iterable(gradients)])


def _our_cells(row):
    rate = significant(row.figures["gflops"])
    return {"us": significant(row.seconds * 1e6), "GFLOP/s": rate, "% of limit": percent_of_limit(row)}


def _memory_tables(rows):
    """MB of each contestant, where they were measured."""
    names, lines = contestants_of(rows), {}
    for row in rows:
        if "megabytes" in row.figures:
            place = _place(row.case) | {"operation": row.case.operation}
            line = lines.setdefault(row.case, place | dict.fromkeys(names, ""))
            line[row.contestant] = significant(row.figures["megabytes"])
    return [table_of("memory of a pass, MB", list(lines.values()))] if lines else []


def _place(case):
    return {name: str(getattr(case, name)) for name in ("depth", "width", "batch")}


LAYOUT = Layout(
    title=lambda case: case.operation,
    place=_place,
    ours=_our_cells,
    describe=lambda case: f"{case.operation} at depth {case.depth}, width {case.width}",
)


def network_comparison(memory: bool = False) -> Comparison:
    """``fastgrad speed network``, with the memory that a pass takes or without."""
    return Comparison(
        peers=PEERS,
        measure=partial(time_network, memory=memory),
        tables=lambda rows: [*LAYOUT.tables(rows), *_memory_tables(rows)],
        verdict=LAYOUT.verdict,
        note=NOTE,
        bounded=True,
        only_if_asked=("torch.compile",),
    )
