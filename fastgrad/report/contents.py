"""What the page of a sweep shows, read from its stores: the networks, those that have a row, those that are drawn."""

# Design: - One network, one set of seeds: where its seeds are spread over several cells, tables, curves, bands and
#           evidence are all of the means over these cells (sweeps/networks.py). Stores are opened once, and the
#           layers are read of the networks that are drawn alone.
#         - A page of 10^5 networks helps nobody: of each activation so many rows are shown, evenly chosen,
#           and the page says so. cells.csv has them all.

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from fastgrad.activations import ACTIVATIONS
from fastgrad.report.findings import by_activation
from fastgrad.sweeps import networks, phases
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.phases import DepthMap, Diagram
from fastgrad.sweeps.rows import Failure
from fastgrad.sweeps.store import Store

ROWS = 24  # shown of each activation
FAILURES = 50
VARIED = {"width": "width {}", "batch": "batch {}", "data": "{}", "dtype": "{}", "backend": "{}"}


@dataclass(frozen=True)
class Contents:
    """What a page shows.

    Attributes
    ----------
    networks : sequence of CellResult
        One for each network, without its layers.
    shown : sequence of CellResult
        Those of them that have a row: ``ROWS`` of each activation.
    deepest : sequence of CellResult
        The deepest of each row, with its layers.
    diagrams, maps
        As ``sweeps.phases`` makes them.
    failures : sequence of Failure
        The first ``FAILURES`` of the cells that failed.
    cells, failed : int
        How many cells were measured, and how many failed.
    environments : sequence of dict
        What was measured on, as the stores have it.
    command : str
    """

    networks: Sequence[CellResult]
    shown: Sequence[CellResult]
    deepest: Sequence[CellResult]
    diagrams: Sequence[Diagram]
    maps: Sequence[DepthMap]
    failures: Sequence[Failure]
    cells: int
    failed: int
    environments: Sequence[dict[str, str]]
    command: str


def contents(stores: Sequence[Store], command: str = "") -> Contents:
    """What open stores hold, read row by row; the layers only of the networks that are drawn."""
    groups = networks.groups(result for store in stores for result in store.results(layers=False))
    pairs = [(networks.merged(group), [member.cell for member in group]) for group in groups]
    found, cells = sorted((network for network, _ in pairs), key=_order), {n.cell: group for n, group in pairs}
    name = namer(found)
    shown = [network for some in by_activation(found).values() for network in _some(some, name)]
    drawn = [networks.merged([_stored(cell, stores) for cell in cells[n.cell]]) for n in _deepest(shown, name)]
    failures = list(islice(chain.from_iterable(store.failures() for store in stores), FAILURES))
    return Contents(
        networks=found,
        shown=shown,
        deepest=drawn,
        diagrams=phases.diagrams(found),
        maps=phases.depth_maps(found),
        failures=failures,
        cells=sum(map(len, groups)),
        failed=sum(store.failed_count() for store in stores),
        environments=[facts for store in stores for facts in store.environments().values()],
        command=command,
    )


def _stored(cell, stores):
    return next(result for store in stores if (result := store.get(cell)) is not None)


def _order(network):
    """Activations as the package names them; then initialisers by name, and from small variances to large ones."""
    cell = network.cell
    phi, rule = cell.activation, cell.init
    sizes = cell.weight_variance, cell.bias_variance, cell.width, cell.depth
    return ACTIVATIONS.index(phi.name), phi.label, rule.name, *sizes


def namer(found: Sequence[CellResult]) -> Callable[[CellResult], str]:
    """A function from a network to its row's name: the initialiser, and what else differs among the networks."""
    varied = [field for field in VARIED if len({getattr(network.cell, field) for network in found}) > 1]

    def name(network):
        return ", ".join([network.cell.init_label, *(VARIED[f].format(getattr(network.cell, f)) for f in varied)])

    return name


def _some(found, name):
    """The networks of at most ROWS names, evenly chosen."""
    names = list(dict.fromkeys(map(name, found)))
    if len(names) > ROWS:
        names = [names[i] for i in np.linspace(0, len(names) - 1, ROWS).round().astype(int)]
    kept = set(names)
    return [network for network in found if name(network) in kept]


def _deepest(found, name):
    best = {}
    for network in found:
        row = network.cell.activation.label, name(network)
        if row not in best or network.cell.depth > best[row].cell.depth:
            best[row] = network
    return list(best.values())
